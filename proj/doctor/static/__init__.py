"""What the configuration alone tells, by subject."""
