"""Witnesses (见证方): who cosigns the heads of the log, and what they cosigned.

Owns the tables `witnesses`, `witness_policy` and `cosignatures`. Knows no HTTP: how a witness is reached is passed in.
Promises: nothing waits for a witness, and a line that is stored is a cosignature by the key it is stored under.
"""
