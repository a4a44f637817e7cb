"""``workqueue status``: what waits, what runs, where, and what needs a person."""
