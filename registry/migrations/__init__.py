"""Schema changes in order, run by `registry.database.migrate`; a test compares them with the tables in code."""
