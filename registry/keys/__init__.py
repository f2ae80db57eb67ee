"""Signing keys: private halves in files or in a token, their history and use counts in the table `keys`.

Owns the table and the folder. May import `verifier.suites`. Promises: at any time at most one key is in force for a
purpose, a retired key stays known for judging what it signed, no key file is used that others can read, and a key that
was made in a token never leaves it.
"""
