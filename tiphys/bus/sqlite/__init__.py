"""The embedded driver: log and ledger in one SQLite file."""
