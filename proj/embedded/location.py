"""Where the broker file lies, and whether its file system keeps the promises we need."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from proj.embedded.errors import NetworkFileSystem, NoFileNamed, NoSuchFolder

# fmt: off
NETWORK_FILE_SYSTEMS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2",
    "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "virtiofs", "vmhgfs",
})
# fmt: on
MOUNTS = Path("/proc/self/mounts")


def path_of_url(url: str) -> Path:
    """Return the absolute path that ``sqlite:///relative.db`` or ``sqlite:////absolute.db`` names.

    Raises NoFileNamed when the URL has a host part or no path.
    """
    parts = urlsplit(url)
    name = unquote(parts.path[1:])
    if parts.netloc or not name or name == ":memory:" or "\0" in name:
        raise NoFileNamed(
            f"{url!r} names no file that processes can share: "
            "write sqlite:///relative.db or sqlite:////absolute/path.db"
        )
    # Resolved, so that a symbolic link and its target share one set of locks. Not by pathlib, which
    # raises for links that lead in a circle.
    return Path(os.path.realpath(Path(name).expanduser()))


def require_local_folder(path: Path) -> None:
    """Raise NoSuchFolder or NetworkFileSystem unless ``path`` can hold a broker file."""
    folder = path.parent
    if not folder.is_dir():
        raise NoSuchFolder(f"No folder {folder} for the broker file {path.name}: create it first")
    kind = file_system_of(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystem(
            f"{path} lies on a network file system ({kind}), where locks and shared memory do not "
            "hold between machines: use a local disk, or RabbitMQ for several machines"
        )


def file_system_of(folder: Path) -> str:
    """Return the type of the file system that holds ``folder``, "" where the kernel tells none."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    held, kind = "", ""
    for line in lines:
        # The kernel writes a blank in a mount point as \040, and so on.
        mount_point, mount_kind = (
            re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
            for field in line.split(" ")[1:3]
        )
        inside = folder == Path(mount_point) or Path(mount_point) in folder.parents
        # The last of equal mounts hides the ones before it.
        if inside and len(mount_point) >= len(held):
            held, kind = mount_point, mount_kind
    return kind
