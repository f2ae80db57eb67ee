"""Delegations (委托): who may act for an enterprise, for which matters and types, until when.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases), and
`showing.py` for what a window does with a code that is shown under a delegation.
"""
