"""Scans (扫码记录): what a code opens depends on who scans it, and why; its holder sees later who looked.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
