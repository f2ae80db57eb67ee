"""Relatives (亲属绑定): who may claim a printed code for somebody else.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
