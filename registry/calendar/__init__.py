"""Working days: the weekend rule, and the holidays and make-up days (调休) that an administrator loads.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
