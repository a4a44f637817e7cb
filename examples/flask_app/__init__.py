"""A Flask application that has its parcels packed by the work queue: `make flask` runs it."""
