"""What exists on the broker: its names, the work queue, its dead-letter queue, declaring them."""
