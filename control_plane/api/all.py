"""All that the API does: a table of contents.

A chapter is a module that exports `OPERATIONS`.
"""

from __future__ import annotations

from control_plane import endpoints
from control_plane import key_watch as keys
from control_plane.accounts import operations as accounts
from control_plane.api import openapi
from control_plane.api.operation import Operation
from control_plane.audit import operations as audit
from control_plane.drafting import operations as drafting
from control_plane.drafting import revision_operations as revisions
from control_plane.ingest import operations as ingest
from control_plane.learning import endpoints as learning
from control_plane.releasing import operations as channels
from control_plane.releasing import plan_operations as plans
from control_plane.reviewing import operations as reviewing
from control_plane.reviewing import replay_operations as replays
from control_plane.rights import operations as rights
from control_plane.telemetry import metrics

CHAPTERS: tuple[tuple[Operation, ...], ...] = (
    endpoints.OPERATIONS,  # objects for edges, beacons, redemption, health
    ingest.OPERATIONS,  # events in the formats of others
    learning.OPERATIONS,  # what was learned, what it earned
    audit.OPERATIONS,  # who did what
    accounts.OPERATIONS,  # logging in, people, API keys
    replays.OPERATIONS,  # recorded decisions under a draft
    revisions.OPERATIONS,  # the catalog as it was
    drafting.OPERATIONS,  # the catalog as it shall be
    reviewing.OPERATIONS,  # who approves it
    channels.OPERATIONS,  # what is live, and how it gets out and back
    plans.OPERATIONS,  # ramps, schedules, the calendar
    rights.OPERATIONS,  # what is stored about a person
    keys.OPERATIONS,  # who may sign, and what expires when
    metrics.OPERATIONS,  # how this process fares
    openapi.OPERATIONS,  # this list, for programs
)

OPERATIONS: tuple[Operation, ...] = tuple(one for chapter in CHAPTERS for one in chapter)
