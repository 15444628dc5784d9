"""From a decision to the HTML that stands in its slot.

Content comes as text and addresses, never as HTML: every text is escaped, and an
address is used only if it is `https:` or a path of the same origin.  What is missing
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from edge.deciding import Decided
from edge.pages import Filling

TOKEN_PARAMETER = "proffer_token"
SCRIPT_PATH = "/_proffer/page.js"
UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_=-]{1,128})'")
DISCLOSURES = {
    "en": "This offer was chosen for you automatically.",
    "de": "Dieses Angebot wurde automatisiert für Sie ausgewählt.",
    "fr": "Cette offre a été choisie pour vous par un procédé automatisé.",
}
"""The notice that EU law (2011/83/EU, article 6(1)(ea)) asks for on personalised prices."""


def fill_slot(decided: Decided, locale: str, script: str = "") -> Filling:
    """What becomes of the slot; `script` follows it."""
    attributes = slot_attributes(decided)
    if not decided.creative:  # none, or an offer that has nothing to show here
        return Filling(attributes, None, script)
    return Filling(attributes, offer_html(decided, locale), script)


def slot_attributes(decided: Decided) -> dict[str, str]:
    """What the page script reads; a slot without them is not reported."""
    attributes = {"data-reason": decided.reason}
    if decided.decision:
        attributes |= {
            "data-decision": decided.decision,
            "data-slot": str(decided.slot),
            "data-track": decided.track,
        }
    if decided.receipt:
        attributes["data-receipt"] = decided.receipt
    return attributes


def offer_html(decided: Decided, locale: str) -> str:
    data = {
        "data-decision": decided.decision,
        "data-offer": decided.offer,
        "data-rung": decided.rung,
        "data-placement": decided.placement,
        "data-slot": str(decided.slot),
        "data-token": decided.token or "",
    }
    parts = [
        _image(decided.creative),
        _text("h2", decided.creative.get("headline", "")),
        _text("p", decided.creative.get("body", "")),
        _link(decided),
        _disclosure(locale) if decided.disclosure else "",
    ]
    return f'<div class="proffer-offer"{_attributes(data)}>{"".join(parts)}</div>'


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in values.items() if value)


def _text(element: str, text: str) -> str:
    return f"<{element}>{escape(text)}</{element}>" if text else ""


def _image(creative: Mapping[str, str]) -> str:
    source = creative.get("image", "")
    if not is_safe_address(source):
        return ""
    return f'<img src="{escape(source)}" alt="{escape(creative.get("image_alt", ""))}">'


def _link(decided: Decided) -> str:
    text, address = decided.creative.get("cta", ""), decided.creative.get("href", "")
    if not text or not is_safe_address(address):
        return ""
    if decided.token:
        address = with_token(address, decided.token)
    return f'<a href="{escape(address)}">{escape(text)}</a>'


def _disclosure(locale: str) -> str:
    language = locale.split("-")[0].lower()
    return f'<small class="proffer-disclosure">{escape(disclosure_of(language))}</small>'


def disclosure_of(language: str) -> str:
    return DISCLOSURES.get(language, DISCLOSURES["en"])


def is_safe_address(address: str) -> bool:
    """`https:` with a plain host, or a path of the same origin."""
    if not address or UNSAFE.search(address):
        return False
    if address.startswith("/"):
        return not address.startswith("//")
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def with_token(address: str, token: str) -> str:
    """The address with the token among its query, before a fragment."""
    rest, hash_mark, fragment = address.partition("#")
    joint = "" if rest.endswith(("?", "&")) else "&" if "?" in rest else "?"
    return f"{rest}{joint}{TOKEN_PARAMETER}={token}{hash_mark}{fragment}"


def script_element(content_security_policy: str) -> str:
    """The page script, with the nonce if the page's own policy works with one."""
    nonce = NONCE.search(content_security_policy)
    own = f' nonce="{nonce[1]}"' if nonce else ""
    return f'<script src="{SCRIPT_PATH}" defer{own}></script>'
