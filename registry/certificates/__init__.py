"""Certificates: registration one or many, status, search, masking.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
