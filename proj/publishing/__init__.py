"""Getting messages to the broker: returned means held."""
