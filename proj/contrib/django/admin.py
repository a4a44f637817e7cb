"""Django's admin shows what waits in the outbox, and why a message cannot be published."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.text import Truncator

from proj.contrib.django.models import OutboxMessage

__all__ = ["OutboxMessageAdmin"]


@admin.register(OutboxMessage)
class OutboxMessageAdmin(admin.ModelAdmin):
    """A list to look at; a message may be deleted, not changed."""

    list_display = ("id", "task", "attempts", "why", "retry_at", "created", "task_id")
    list_filter = ("attempts",)
    search_fields = ("task_id", "headers", "error")
    exclude = ("body",)

    @admin.display(description="error")
    def why(self, message: OutboxMessage) -> str:
        """Return the beginning of the error, as a list has room for; its own page has it all."""
        return str(Truncator(message.error).chars(80))

    def has_add_permission(self, request: Any) -> bool:  # noqa: ARG002 - Django's signature
        """Let nobody but a task's call make one."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Let nobody change what a task's call has made."""
        return False
