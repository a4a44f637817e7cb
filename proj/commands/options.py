"""What the commands share: the option ``--json``, and how its object is printed."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["json_option", "show"]

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


def show(told: dict[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(told))
