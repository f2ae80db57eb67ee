"""The quality of certificates: how many are pooled, how soon, how complete and how accurate."""
