"""A dead letter: why a message did not run to its end, and the message itself, byte for byte."""
