"""Disputes (异议): somebody says that a certificate is wrong, and the issuer answers within working days.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
