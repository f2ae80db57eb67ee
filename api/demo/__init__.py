"""`suizheng demo`: the main job on real input, from outside: a server process, its HTTP API, files, a gate, a verifier.

Owns the invented people, companies and departments it registers. Talks to the server by HTTP only; promises that what
it prints and writes to `demo-output/summary.json` was counted, not assumed.
"""
