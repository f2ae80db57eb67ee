"""Derived copies (加注件): a certificate's face for one purpose and receiver, until its own end.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
