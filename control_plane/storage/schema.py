"""All tables of a control plane: importing this module makes `METADATA` complete."""

from __future__ import annotations

from control_plane.storage import tables_accounts as _accounts  # noqa: F401
from control_plane.storage import tables_api as _api  # noqa: F401
from control_plane.storage import tables_audit as _audit  # noqa: F401
from control_plane.storage import tables_drafts as _drafts  # noqa: F401
from control_plane.storage import tables_publishing as _publishing  # noqa: F401
from control_plane.storage import tables_replay as _replay  # noqa: F401
from control_plane.storage import tables_rights as _rights  # noqa: F401
from control_plane.storage.tables import METADATA

__all__ = ["METADATA"]
