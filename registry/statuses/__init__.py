"""Status lists: one slot per revocable thing, found only by whoever holds its index.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
