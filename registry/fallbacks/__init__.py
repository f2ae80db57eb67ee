"""Fallback numbers (备用号): eight digits for a few minutes, for a broken screen or scanner.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
