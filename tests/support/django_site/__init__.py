"""A Django project of another team's, on the databases that the environment names."""
