"""Applications (场所码申请): a unit asks for a venue code by somebody who may, and an office decides.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
