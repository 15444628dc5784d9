"""Refusals with a name of their own among the API's problems."""

from __future__ import annotations

from control_plane.issuing import PublishRefused


class NotThere(PublishRefused):
    """What is named does not exist; `name` is the problem's, as in `errors.PROBLEMS`."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem, "Ask for the list, and name one of it.")
        self.name = name
