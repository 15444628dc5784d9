"""All tables of a control plane: importing this module makes `METADATA` complete."""

from __future__ import annotations

from control_plane.storage.tables import METADATA

__all__ = ["METADATA"]
