"""Which links and pictures a creative may hold.

They end up in `href` and `src` attributes of the shop's pages, so nothing but a
path of the same site or an https: address of a listed host is let through.  The
renderer checks again.
"""

from __future__ import annotations

from collections.abc import Collection

_BAD = frozenset('\\"<>^`{|}')


def refusal(link: str, hosts: Collection[str]) -> str:
    """Why the link is refused, "" if it is not."""
    if any(char <= " " or char == "\x7f" or char in _BAD for char in link):
        return 'It holds a blank, a control character or one of \\ " < > ^ ` { | }.'
    if link.startswith("/"):
        return "It begins with two slashes." if link.startswith("//") else ""
    if not link.startswith("https://"):
        return "It is neither a path nor an https: address."
    host = link.removeprefix("https://").partition("/")[0].partition("?")[0].partition("#")[0]
    if "@" in host:
        return "It holds a user name."
    return "" if host.lower() in hosts else f"Its host {host!r:.60} is not among the shop's."
