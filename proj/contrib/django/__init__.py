"""The work queue in a Django project: ``"proj.contrib.django"`` in ``INSTALLED_APPS``."""
