"""An archive of pictures unpacked for good, below loratui's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from loratui.atomic import new_folder
from loratui.dataset import archives
from loratui.dataset.arrange import mark


def keep(archive: Path, datasets: Path) -> Path:
    """Unpack an archive, once, and return the folder of its pictures. The archive stays as it is.

    Raises ``UserError`` like ``archives.unpacked``, and when the disk refuses.
    """
    archive = archive.absolute()
    changed = archive.stat()
    name = f"{mark(archive)}-{changed.st_size:x}-{changed.st_mtime_ns:x}"
    target = datasets / name
    if not target.is_dir():
        with archives.unpacked(archive) as found, new_folder(target) as folder:
            shutil.copytree(found.folder, folder, dirs_exist_ok=True)
    return target
