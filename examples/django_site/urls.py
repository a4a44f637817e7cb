"""The site's addresses."""

from __future__ import annotations

from django.urls import path

from examples.django_site.parcels import views

urlpatterns = [
    path("", views.index, name="index"),
    path("parcels", views.order, name="order"),
    path("parcels/<int:number>", views.parcel, name="parcel"),
]
