"""What the demo shows: lines; on a terminal also a progress bar and who works on what."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from examples.demo.story import BODIES

if TYPE_CHECKING:
    from examples.demo.story import Story

__all__ = ["Display", "display_for"]

WHAT_TO_TRY = """\
What you saw: the broker held every message until its task was done, so the message of the killed
worker was given to another one and ran again, from its start. Nothing was lost.

What to try next, each in a terminal of its own. The broker is the file task_queue.db in this
folder; set CELERY_BROKER_URL=amqp://... for your RabbitMQ, or `make demo BROKER=rabbitmq`.

  .venv/bin/celery -A proj worker -l INFO                   # start as many as you like
  .venv/bin/python -m proj.producer 'Resize photo 7...'     # a message of your own
  FLOWER_BASIC_AUTH=me:secret .venv/bin/celery -A proj flower   # watch it on http://localhost:5555
"""


def display_for(output: TextIO) -> Display:
    """Return a display that fits ``output``: a terminal or not."""
    console = Console(file=output, highlight=False, soft_wrap=True)
    return LiveDisplay(console) if console.is_terminal else Display(console)


class Display:
    """One line for each thing that happens; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to undo."""

    def say(self, text: str) -> None:
        """Print ``text`` as a line."""
        self.console.print(text, markup=False)

    def received(self, worker: str, body: str) -> None:
        """Say that ``worker`` began ``body``."""
        self.say(f"  {worker:<6} [x] Received {body!r}")

    def done(self, worker: str, body: str) -> None:
        """Say that ``worker`` ended ``body``."""
        self.say(f"  {worker:<6} [x] Done     {body!r}")

    def killed(self, worker: str, body: str) -> None:
        """Say that ``worker`` was killed while at ``body``."""
        self.say(f"  {worker:<6} killed with SIGKILL in the middle of {body!r}")

    def show(self, story: Story) -> None:
        """Show how far it is; lines alone say it already."""

    def finish(self, story: Story) -> None:
        """Print the table of deliveries, and what it means."""
        table = Table("message", "worker(s)", "deliveries", title="Who did what")
        for body, workers in story.deliveries.items():
            names = [self._named(name, body, story, last=name is workers[-1]) for name in workers]
            table.add_row(body, ", then ".join(names), str(len(workers)))
        self.console.print(table)
        if story.all_done():
            self.say(f"All {len(BODIES)} messages ran to their end.\n")
            self.say(WHAT_TO_TRY)
        else:
            missing = ", ".join(sorted(set(BODIES) - set(story.done)))
            self.say(f"NOT all messages ran to their end; missing: {missing}.")

    def _named(self, name: str, body: str, story: Story, *, last: bool) -> str:
        return f"{name} (killed)" if story.killed == (name, body) and not last else name


class LiveDisplay(Display):
    """The lines, and below them a bar and the workers, redrawn in place."""

    def __enter__(self) -> LiveDisplay:
        self.live = Live(console=self.console, transient=True, auto_refresh=False)
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.live.stop()

    def show(self, story: Story) -> None:
        """Draw the bar and what each worker is at."""
        bar = Table.grid(padding=1)
        bar.add_row(
            ProgressBar(total=len(BODIES), completed=len(story.done), width=40),
            f"{len(story.done)} of {len(BODIES)} done",
        )
        workers = Table.grid(padding=(0, 2))
        for worker in story.workers:
            workers.add_row(f"  {worker.name}", self._state(worker.name, story))
        self.live.update(Group(bar, workers), refresh=True)

    def finish(self, story: Story) -> None:
        """Take the bar away, then print what every display prints."""
        self.live.stop()
        super().finish(story)

    def _state(self, name: str, story: Story) -> str:
        if story.killed and story.killed[0] == name:
            return "[red]killed[/red]"
        if name not in story.in_work:
            return "[dim]idle[/dim]"
        body, since = story.in_work[name]
        return f"[green]{body}[/green] for {time.monotonic() - since:.0f} s"
