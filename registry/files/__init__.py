"""Files of any format, stored by content.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
