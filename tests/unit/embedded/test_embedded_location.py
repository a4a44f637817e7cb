"""Where a broker URL points, and which places are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from proj.embedded import location
from proj.embedded.errors import NetworkFileSystem, NoFileNamed, NoSuchFolder


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a.db", Path.cwd() / "a.db"),
        ("sqlite:////tmp/x/a.db", Path("/tmp/x/a.db")),  # noqa: S108
        ("sqlite:////tmp/with%20blank.db", Path("/tmp/with blank.db")),  # noqa: S108
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: Path) -> None:
    """The path is what stands after the third slash."""
    assert location.path_of_url(url) == path.resolve()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://a.db", "sqlite:///:memory:", "sqlite:///a%00.db"],
)
def test_a_url_without_a_file_is_refused(url: str) -> None:
    """The error shows how to write it."""
    with pytest.raises(NoFileNamed, match=r"write sqlite:///relative\.db"):
        location.path_of_url(url)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The folder is not made for the user, and the error says so."""
    with pytest.raises(NoSuchFolder, match=f"No folder {tmp_path}/no .* create it first"):
        location.require_local_folder(tmp_path / "no" / "a.db")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The deepest mount that holds the folder decides, also with a blank in its name."""
    folder = tmp_path / "a share"
    folder.mkdir()
    mounts = tmp_path / "mounts"
    shown = str(folder).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {shown} {kind} rw 0 0\n")
    monkeypatch.setattr(location, "MOUNTS", mounts)

    with pytest.raises(NetworkFileSystem, match=f"network file system \\({kind}\\)"):
        location.require_local_folder(folder / "a.db")
    location.require_local_folder(tmp_path / "a.db")
