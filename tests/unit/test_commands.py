"""What holds for every command of ``celery -A proj workqueue``."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from proj.commands import workqueue


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command below ``group`` with its name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            assert f"celery -A proj workqueue {name} " in (command.epilog or "")
            yield from commands(command, f"{path}{name} ")
        elif name != "health":  # a program of its own: see tests/unit/test_health_judgement.py
            yield path + name, command


COMMANDS = [pytest.param(*each, id=each[0]) for each in commands(workqueue)]


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_has_an_example_and_json(name: str, command: click.Command) -> None:
    """``--help`` ends with an example of this command, and ``--json`` is there."""
    assert name in (command.epilog or "")
    assert "Example: " in (command.epilog or "")
    assert "as_json" in [each.name for each in command.params]
    assert command.help
