"""Notices (通知) to departments: what they relied on has changed, or somebody waits for their answer.

`tables.py` (SQLAlchemy) and `service.py` (the use cases); there is nothing to decide.
"""
