"""What the registry declares to its network: departments, their keys and scopes, and the catalogue, on the chain.

`rules.py` (pure: what the registry holds against what the chain has), `service.py` (reads both, proposes what is
missing). No tables: the chain itself says what was declared.
"""
