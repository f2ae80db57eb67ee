"""The gate (闸口): decides at the door, alone and offline, and hands its events in later.

Owns: the journal of a gate's events, the loop that reads codes, the hand-in. May import: the verifier, the codes and
the standard library only, so that a plain install runs it. Promises: an event that was shown to a person is on the
disk before it is shown; nothing personal is written; what cannot be decided does not open the door.
"""
