"""Trust bundles (信任包): what an offline verifier needs to know about this registry, signed and dated.

Owns the table `trust_bundles`. Reads the tables of the other nouns. Promises: versions only grow, and a bundle is made
anew when, and only when, something in it changed or half of its life has passed.
"""
