"""Changes of who may do what (双人复核): one administrator proposes, another one decides, and it happens then.

Owns the table of proposals, which is also the record of changes that one administrator made alone while there was no
second one. What only takes something away happens at once: suspending, shutting an account, ending a key now.
"""
