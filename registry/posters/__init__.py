"""Posters (场所码海报): the numbered copies of a venue's code, where they hang, and what is wrong with them.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
