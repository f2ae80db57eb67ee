"""Idempotency keys: an acknowledged write answers the same when repeated.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
