"""Imports: files of many certificates, taken in by the worker in chunks, each of them whole or not at all.

Same files as every noun: `tables.py` (SQLAlchemy), `rules.py` (pure decisions), `service.py` (the use cases); also
`chunks.py` (a chunk: registering, its results, how far the job is, in one transaction), `undoing.py` (taking back what
an import registered by mistake), and `folder.py` (uploads and rows on disk).
"""
