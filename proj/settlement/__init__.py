"""What becomes of a delivery: acknowledged, tried again, given back or dead-lettered."""
