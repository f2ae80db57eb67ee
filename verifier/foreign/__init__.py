"""Codes of other regions and systems (互认): a profile is one adapter here and one entry in the trust bundle."""
