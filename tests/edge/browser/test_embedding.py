"""What a page's head says: whole, harmless, and true."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from base64 import b64decode
from hashlib import sha256, sha384

import pytest
from playwright.sync_api import Page

from edge.browser.embedding import (
    PageSettings,
    first_script,
    integrity_of,
    settings_html,
    settings_of,
    snippet_hash,
)
from edge.decision.claims import Release
from edge.decision.trust import Trusted, accept_bundle, accept_manifest, pin_root, trust
from edge.local_crypto import verify_ed25519 as verify
from policy_compiler.sign import sign_manifest
from tests.edge.browser.site import BROWSER, Site, a_page, pocket_for_browsers
from tests.edge.browser.test_first_view import visit
from tests.support.edges import CHANNEL, TENANT, a_manifest, keys, pinned_root
from tests.support.parts import ROOT


def verified() -> Trusted:
    """The browser's policy as a shop's server believes it."""
    data, now_s = pocket_for_browsers(), int(time.time())
    release = Release(bundle=sha256(data).hexdigest(), size_bytes=len(data), share=1 << 20)
    payload = a_manifest(
        3, (data,), projection="browser", releases=(release,), expires_s=now_s + 3000
    )  # fmt: skip

    async def believe() -> Trusted:
        root = await pin_root(pinned_root(), verify, TENANT)
        raw = sign_manifest(keys(), payload)
        manifest = await accept_manifest(
            root, None, raw, verify, now_s, TENANT, CHANNEL, "browser"
        )  # fmt: skip
        return trust(root, manifest, [accept_bundle(manifest, release, data)])

    return asyncio.run(believe())


def test_a_page_holds_the_policy_that_was_verified() -> None:
    policy, data = verified(), pocket_for_browsers()
    whole = settings_of(policy, data)
    assert (whole.manifest, whole.bundle) == (policy.block, data)
    named = settings_of(policy, data, url="/static/bundle")
    assert (named.sha256, named.url) == (sha256(data).hexdigest(), "/static/bundle")
    assert named.bundle == b""


def test_a_bundle_that_the_policy_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="not one that the policy names"):
        settings_of(verified(), b"PRFR")


def test_no_value_ends_the_block_it_stands_in(page: Page, s: Site) -> None:
    nasty = {"a": "</script><script>window.bad = 1</script><!--", "b": '"&lt;\u2028'}
    visit(page, s, a_page(settings_html(PageSettings(attributes=nasty))))
    said = page.evaluate("JSON.parse(document.getElementById('proffer').textContent).attributes")
    assert said == nasty
    assert page.evaluate("window.bad") is None


def test_the_hashes_are_those_of_what_is_served() -> None:
    digest = b64decode(integrity_of(first_script()).removeprefix("sha384-"))
    assert digest == sha384((BROWSER / "first.min.js").read_bytes()).digest()
    assert re.fullmatch(r"'sha384-[A-Za-z0-9+/]{64}'", snippet_hash())


# --- the documentation ------------------------------------------------------------


def test_every_setting_is_documented_and_typed() -> None:
    reference = (ROOT / "docs" / "reference" / "browser.md").read_text()
    types = (BROWSER / "index.d.ts").read_text().split("export type Consent")[0]
    typed = set(re.findall(r"^  (\w+)\?:", types, re.MULTILINE))
    for name in {*PageSettings.__struct_fields__, *typed}:
        assert f"`{name}`" in reference, name
        assert name in typed, name


def test_every_event_is_documented_and_typed() -> None:
    reference = (ROOT / "docs" / "reference" / "browser.md").read_text()
    sources = "".join(path.read_text() for path in (BROWSER / "lib").glob("*.js"))
    events = set(re.findall(r'CustomEvent\("([a-z-]+)"', sources))
    assert len(events) == 3
    for name in events:
        assert f"| `{name}` |" in reference
        assert f'"{name}": CustomEvent' in (BROWSER / "index.d.ts").read_text()


def test_the_sizes_that_the_reference_names_hold() -> None:
    reference = (ROOT / "docs" / "reference" / "browser.md").read_text()
    told = re.findall(r"\| `([\w./-]+)` \|[^|]*\| (\d+)( kB under gzip)? ", reference)
    assert len(told) == 5
    for name, size, packed in told:
        data = (BROWSER / name).read_bytes()
        if packed:
            assert len(gzip.compress(data, 9)) <= (int(size) + 1) * 1000, name
        else:
            assert len(data) <= int(size), name
