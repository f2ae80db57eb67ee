"""E-invoices (电子发票): materials whose data are read from an OFD file, one for each invoice code and number.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases).
"""
