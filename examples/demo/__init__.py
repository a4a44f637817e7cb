"""Ten messages shared out among three workers, one of which is killed at work."""
