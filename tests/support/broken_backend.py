"""A result backend whose server is always away."""

from __future__ import annotations

from typing import Any, NoReturn

from celery.backends.base import BaseBackend

__all__ = ["Backend"]


class Backend(BaseBackend):
    """Raises on every store."""

    def store_result(self, *_: Any, **__: Any) -> NoReturn:
        """Raise as a backend does that is out of retries."""
        raise ConnectionError("the result backend is away")
