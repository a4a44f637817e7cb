"""``python -m examples.django_site``: the site under Gunicorn, and its worker, until Ctrl-C."""

from __future__ import annotations

import sys

import django
from django.core.management import call_command

import examples.django_site  # noqa: F401 - it names the settings
from examples.serving import serve

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    sys.exit(serve("examples.django_site.wsgi", "examples.django_site"))
