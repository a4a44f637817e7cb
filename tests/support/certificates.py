"""Certificates of a test authority: a broker's and its clients'."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

__all__ = ["Certificates"]


class Certificates:
    """One authority, its files in ``folder``: ``ca.pem``, and what :meth:`issue` makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._authority = trustme.CA()
        self.authority_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.authority_file)

    def issue(self, name: str, *, host: str = "localhost", expired: bool = False) -> Path:
        """Return the file of a certificate and its key, made out to ``host``."""
        ended = datetime.now(timezone.utc) - timedelta(days=1) if expired else None
        issued = self._authority.issue_cert(host, not_after=ended)
        file = self.folder / f"{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(file)
        return file
