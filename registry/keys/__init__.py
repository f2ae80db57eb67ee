"""Signing keys: software keys in a private folder, their history in the table `keys`.

Owns the table and the folder. May import `verifier.suites`. Promises: at any time at most one key is in force for a
purpose, a retired key stays known for judging what it signed, and no key file is used that others can read.
For trials: a real registry keeps its keys in hardware behind the same `SigningKey` protocol.
"""
