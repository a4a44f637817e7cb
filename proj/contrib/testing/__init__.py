"""The work queue in a project's own tests: what the pytest plug-in's fixtures are made of."""
