"""The tables of the outbox, version by version."""
