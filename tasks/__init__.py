"""The tasks of this project: yours to edit."""
