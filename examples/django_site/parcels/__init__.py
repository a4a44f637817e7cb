"""The one Django app of the site."""
