"""Postgres: its migrations, and the verbs that people use on the ledger."""
