"""The command line: `suizheng verify`, `gate`, `hand-in`, `serve`, `trust`, `demo`.

Owns: arguments, texts for people, exit statuses. May import: everything, but server packages only inside the command
that needs them, so that a plain install runs `verify` and `gate`. Promises: exit status 0 valid, 1 invalid, 2 not in
force, 3 undecided, 64 when the command itself could not be carried out.
"""
