"""Components (部件): lamps, covers, benches and other public things, each with a code of its own, its faults and its
inspections.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
