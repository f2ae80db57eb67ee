"""Contract sources (Vyper) and what they compile to; data that only `chain` reads.

Owns: `members.vy` (who belongs to the network and what each may do), `heads.vy` (append-only heads of logs),
`uses.vy` (first use of one-time items), `artifacts/*.json`. Imports nothing of the project.
Promises: `python -m contracts.compile` makes exactly the artifacts that are here.
"""
