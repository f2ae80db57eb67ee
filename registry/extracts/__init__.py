"""Extracts (摘录件): the fields of a certificate that one matter needs, for one receiver, until their own end.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
