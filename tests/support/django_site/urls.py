"""Two pages: order, and an admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.support.django_site.shop.views import order

urlpatterns = [path("order/<str:number>/<str:ending>/", order), path("admin/", admin.site.urls)]
