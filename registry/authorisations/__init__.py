"""Authorisations: who may use what, for which matter, how often, until when.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
