"""The programs in a page of ``docs/``: code blocks whose first line names a file."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.worker import ROOT

__all__ = ["write_programs"]


def write_programs(page: str, folder: Path) -> None:
    """Write each named Python block of ``docs/<page>`` into ``folder``, as a reader would."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks, f"{page} has no named block"
    for name, program in blocks:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program)
