"""The pages: one that enqueues, one that shows what became of each parcel."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from examples.django_site.parcels.models import Parcel
from examples.django_site.parcels.tasks import pack


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the newest parcels, and a form for one more."""
    return render(request, "parcels/index.html", {"parcels": Parcel.objects.order_by("-pk")[:20]})


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    """Enqueue one parcel; it is accepted as the request's transaction commits, broker or not."""
    address = request.POST.get("address")
    if not address:
        return HttpResponseBadRequest("An address is needed.")
    parcel = Parcel.objects.create(address=address)
    parcel.task_id = pack.delay(parcel.pk).id
    parcel.save()
    return redirect("parcel", parcel.pk)


@require_GET
def parcel(request: HttpRequest, number: int) -> HttpResponse:
    """Show what became of one parcel."""
    found = get_object_or_404(Parcel, pk=number)
    return render(request, "parcels/parcel.html", {"parcel": found})
