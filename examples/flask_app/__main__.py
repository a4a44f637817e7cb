"""``python -m examples.flask_app``: the site under Gunicorn, and its worker, until Ctrl-C."""

from __future__ import annotations

import sys

from examples.serving import serve

if __name__ == "__main__":
    sys.exit(serve("examples.flask_app.app:create_app()", "examples.flask_app.worker"))
