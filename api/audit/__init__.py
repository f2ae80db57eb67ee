"""The auditor: every public part of the log rebuilt and compared, without trusting whoever serves it.

`auditing.audit` is the way in. What it needs of the log alone (tiles, heads, entries) stands on `verifier` only; the
database and the chain are imported where they were asked for.
"""
