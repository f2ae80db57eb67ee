"""Devices: the phones that show dynamic codes, and the tickets by which they are enrolled at a window.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
