"""What a web server imports."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

import examples.django_site  # noqa: F401 - it names the settings

application = get_wsgi_application()
