"""What the broker and the workers tell, by subject."""
