"""Evidence bundles (证据包): one item with everything needed to verify it offline, in one file.

Owns no tables; reads certificates, files and the log. Promises: a bundle is given out only with a receipt under an
anchored head, with its chain proof or under a head that stays listed in every later trust bundle.
"""
