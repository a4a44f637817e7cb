"""Compare the embedded broker with its neighbours: `python benchmarks/embedded.py`.

Needs celery, sqlalchemy (for Kombu's sqla+sqlite) and potatoq. No-op tasks, late acknowledgement,
prefetch 1, one machine, each run on a fresh file. Publishing is measured in rounds, in which all
take turns; the rest one after the other. Two processes work: two solo workers, or one worker with
two children. Caveats: the file system is that of --folder; all
workers run at log level ERROR; potatoq commits without syncing the disk unless "durable"; for the
sqla transport, which is slow, the counts are a tenth.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import statistics  # noqa: F401  for the program in latency_ms
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rounds

ROOT = Path(__file__).parents[1]
CONTENDERS = ("embedded", "sqla", "potatoq", "potatoq-durable")
KIND = os.environ.get("BENCH_KIND", "")
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))


def make_app(kind: str) -> Any:
    """Return the app of one contender on the file broker in FOLDER."""
    file = FOLDER / "broker.db"
    if kind.startswith("potatoq"):
        from potatoq import Potatoq  # noqa: PLC0415  only where it competes

        made = Potatoq("embedded", broker=f"sqlite:///{file}")
        made.conf.broker_transport_options = {"durable": kind.endswith("durable")}
        return made
    from celery import Celery  # noqa: PLC0415  as above

    from proj import plugin  # noqa: PLC0415  as above

    url = f"sqlite:///{file}" if kind == "embedded" else f"sqla+sqlite:///{file}"
    made = Celery("embedded", broker=url)
    if kind == "embedded":
        plugin.install(made)
    made.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)
    return made


if KIND:
    app = make_app(KIND)

    @app.task(name="nothing", ignore_result=True)
    def nothing() -> None:
        """Do nothing."""

    @app.task(name="stamp", ignore_result=True)
    def stamp(name: str) -> None:
        """Write the time at which the task ran."""
        partial = FOLDER / f"{name}.partial"
        partial.write_text(repr(time.time()))
        partial.rename(FOLDER / name)

    @app.task(name="hold", ignore_result=True)
    def hold(name: str) -> None:
        """Keep a process until the gate opens."""
        (FOLDER / name).touch()
        while not (FOLDER / "gate").exists():
            time.sleep(0.001)


def wait(path: Path, seconds: float = 600) -> None:
    """Return when the file exists."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(f"{path} did not appear within {seconds} s")
        time.sleep(0.002)


class Run:
    """One contender on a fresh file, in processes of its own."""

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.environment = {
            **os.environ,
            "BENCH_KIND": kind,
            "BENCH_FOLDER": str(self.folder),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def python(self, program: str, *arguments: str) -> str:
        """Run a program on the contender's app, and return what it printed."""
        command = [sys.executable, "-c", f"from embedded import *\n{program}", *arguments]
        return subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def publish(self, count: int) -> float:
        """Publish no-op tasks one by one; returns tasks a second."""
        program = (
            "nothing.delay(); n = int(sys.argv[1]); t = time.perf_counter()\n"
            "for _ in range(n): nothing.delay()\n"
            "print(n / (time.perf_counter() - t))"
        )
        return float(self.python(program, str(count)))

    def publish_many(self, count: int) -> float:
        """Publish no-op tasks many at once; returns tasks a second."""
        program = (
            "from proj import publish_many\n"
            "nothing.delay(); n = int(sys.argv[1]); t = time.perf_counter()\n"
            "publish_many(nothing.s() for _ in range(n))\n"
            "print(n / (time.perf_counter() - t))"
        )
        return float(self.python(program, str(count)))

    def start_workers(self, shape: str) -> None:
        """Start two processes that work, as `two solo` workers or `prefork` children."""
        if self.kind.startswith("potatoq"):
            lines = ["potatoq -A embedded worker -c 2 -l ERROR"]
        elif shape == "prefork":
            lines = ["celery -A embedded worker -c 2 -l ERROR"]
        else:
            # Celery's prefetch counts -c processes, also for the solo pool, which has one.
            solo = "celery -A embedded worker -P solo -c 1 -l ERROR -n"
            lines = [f"{solo} one@bench", f"{solo} two@bench"]
        for line in lines:
            with (self.folder / "workers.log").open("ab") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *line.split()],
                        env=self.environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )

    def drain(self, count: int, shape: str) -> float:
        """Hold both processes, queue the tasks, then let go; returns tasks a second."""
        self.python("for n in 'ab': hold.delay(f'held-{n}')")
        self.start_workers(shape)
        for name in ("held-a", "held-b"):
            wait(self.folder / name, 60)
        self.python(
            "for _ in range(int(sys.argv[1])): nothing.delay()\nstamp.delay('end')", str(count)
        )
        began = time.time()
        (self.folder / "gate").touch()
        wait(self.folder / "end")
        return count / (float((self.folder / "end").read_text()) - began)

    def latency_ms(self, count: int) -> float:
        """Enqueue on the idle system; returns the median time to the start of the task."""
        program = (
            "waits = []\n"
            "for n in range(int(sys.argv[1])):\n"
            "    time.sleep(0.03); sent = time.time(); stamp.delay(f's{n}')\n"
            "    wait(FOLDER / f's{n}')\n"
            "    waits.append(float((FOLDER / f's{n}').read_text()) - sent)\n"
            "print(statistics.median(waits) * 1000)"
        )
        return float(self.python(program, str(count)))

    def idle_percent(self, seconds: float) -> float:
        """Return how much of one core the idle workers take."""
        before, began = self._cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self._cpu_seconds() - before) / (time.monotonic() - began)

    def _cpu_seconds(self) -> float:
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # Field 6 of proc(5) is the session: every child of a worker stays in its own.
            if int(fields[3]) in {process.pid for process in self.processes}:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Stop the workers."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in self.processes:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def measure(kind: str, folder: str, count: int, *, quick: bool) -> dict[str, float]:
    """Return every figure of one contender."""
    count = count // 10 if kind == "sqla" else count
    figures: dict[str, float] = {}
    for shape in ("solo", "prefork"):
        if shape == "solo" and kind.startswith("potatoq"):
            continue
        run = Run(kind, folder)
        try:
            figures[f"drain/s {shape}"] = run.drain(count, shape)
            if shape == "prefork" and not quick:
                time.sleep(3)
                figures["idle %"] = run.idle_percent(10)
                figures["latency ms"] = run.latency_ms(20 if kind == "sqla" else 200)
        finally:
            run.end()
    return figures


def main() -> None:
    """Measure, then print the figures and the ratios to the embedded broker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="no-op tasks (sqla: a tenth)")
    parser.add_argument("--folder", default=".", help="where the broker files lie")
    parser.add_argument("--only", nargs="*", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=5, help="of publishing")
    parser.add_argument("--publish", action="store_true", help="only publishing")
    parser.add_argument("--charts", type=Path, help="draw publishing in this folder, as SVG")
    parser.add_argument("--quick", action="store_true", help="no idle cost, no latency")
    options = parser.parse_args()
    rounds.print_machine(["celery", "kombu", "sqlalchemy", "potatoq"])
    print(f"SQLite {sqlite3.sqlite_version}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ways = {
            kind: lambda kind=kind, count=options.count: Run(kind, folder).publish(
                count // 10 if kind == "sqla" else count
            )
            for kind in options.only
        }
        ways["publish_many"] = lambda: Run("embedded", folder).publish_many(options.count * 4)
        publishing = rounds.measure(ways, options.rounds)
        pairs = []
        if "embedded" in options.only:
            pairs = [("embedded", kind) for kind in options.only if kind != "embedded"]
            pairs.append(("publish_many", "embedded"))
        rounds.print_ratios(publishing, pairs, "published tasks/s")
        rounds.draw_charts(options.charts, {"publish, tasks/s": publishing}, "embedded")
        if options.publish:
            return
        results = {
            kind: measure(kind, folder, options.count, quick=options.quick) for kind in options.only
        }
    for kind, figures in results.items():
        print(f"{kind:16}", "  ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
    ours = results.get("embedded", {})
    for kind, theirs in results.items():
        for name in ("drain/s solo", "drain/s prefork"):
            other = theirs.get(name) or theirs.get("drain/s prefork")
            if kind != "embedded" and name in ours and other:
                print(f"embedded / {kind:16} {name:16} {ours[name] / other:.2f}")


if __name__ == "__main__":
    main()
