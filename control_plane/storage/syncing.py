"""A folder on the disk: names that were put into it or taken away outlive a power cut.

A file's own sync does not promise that its name is there afterwards (fsync(2)).
"""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
