"""Entries that a department signs itself: handed out to be signed, and taken back with its signatures.

Owns the table of preparations. Promises: what a department signs is dated by the registry's clock, minutes before its
signature comes back, and nothing that it left unsigned enters the log.
"""
