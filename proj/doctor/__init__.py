"""Looks for what can lose or delay work, in the configuration and on the broker."""
