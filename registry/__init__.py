"""The institution: SQL and the rules of each noun, one folder per noun.

Owns the database, the log and everything that is decided with them. May import `verifier` and `codes` (the formats) and
`chain.errors`; knows neither HTTP nor web3. Promises: a use case is one function `verb(work, ...)`, it never commits,
and what it writes about an item and the log entry about it stand in the same transaction. The walk of a certificate
enters at `certificates.service.register` and leaves at `evidence.service.export`.
"""
