"""The page that takes an order."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from tests.support.django_site.shop.models import Order
from tests.support.django_site.shop.tasks import pack


def order(_request: Any, number: str, ending: str) -> HttpResponse:
    """Take an order, and fail afterwards where ``ending`` says so."""
    Order.objects.create(number=number)
    sent = pack.delay(number)
    if ending == "fails":
        raise RuntimeError(ending)
    return HttpResponse(sent.id)
