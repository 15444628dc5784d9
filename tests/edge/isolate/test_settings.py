"""The worker's variables: what they may be, and what is said about those that may not."""

from __future__ import annotations

import json
import re
from base64 import b64encode

import pytest

from edge.isolate import settings as module
from edge.isolate.settings import SettingsError, read_addresses, read_settings
from tests.support.parts import ROOT

SECRET = b64encode(bytes(32)).decode()
SECRETS = json.dumps({"edge_secret": SECRET, "cookie_secret": SECRET, "shop_key": "k"})
NEEDED = {"PROFFER_TENANT": "shop", "PROFFER_ROOT": " {} \n", "PROFFER_SECRETS": SECRETS}


def read_everything(given: dict[str, str]) -> None:
    read_addresses(given.get)
    read_settings(given.get)


def test_three_variables_are_enough() -> None:
    settings = read_settings(NEEDED.get)
    assert (settings.tenant, settings.channel) == ("shop", "production")
    assert settings.pinned_root == b"{}"
    assert settings.refresh_s == 15
    assert read_addresses(NEEDED.get).origin_url == ""


def test_every_variable_arrives() -> None:
    more = {
        "PROFFER_CHANNEL": "staging", "PROFFER_ORIGIN_URL": "https://shop.example/",
        "PROFFER_CONTROL_URL": "http://control.example", "PROFFER_REFRESH_S": "2.5",
        "PROFFER_ORIGIN_TIMEOUT_S": "3", "PROFFER_EDGE_HEADERS": '{"CF-IPCountry": "geo.country"}',
        "PROFFER_DEFAULT_CONSENT": "none", "PROFFER_CONSENT_COOKIE": "c",
        "PROFFER_REQUEST_LIMIT_BYTES": "1000", "PROFFER_OFREP": "false",
    }  # fmt: skip
    settings, addresses = read_settings((NEEDED | more).get), read_addresses(more.get)
    assert (settings.channel, settings.refresh_s) == ("staging", 2.5)
    assert settings.edge_headers == {"CF-IPCountry": "geo.country"}
    assert (settings.default_consent, settings.consent_cookie) == ("none", "c")
    assert (settings.request_limit_bytes, settings.ofrep) == (1000, False)
    assert addresses.origin_url == "https://shop.example"
    assert (addresses.control_url, addresses.origin_timeout_s) == ("http://control.example", 3)


@pytest.mark.parametrize("name", NEEDED)
def test_a_variable_that_is_needed_is_named_when_it_is_missing(name: str) -> None:
    for value in (None, ""):
        with pytest.raises(SettingsError, match=f"{name} is missing"):
            read_settings((NEEDED | {name: value}).get)


WRONG = {
    "PROFFER_REFRESH_S": ["0", "-1", "soon", "inf", "nan"],
    "PROFFER_ORIGIN_TIMEOUT_S": ["0", "x"],
    "PROFFER_EDGE_HEADERS": ["[]", "{", '{"a": 1}'],
    "PROFFER_DEFAULT_CONSENT": ["maybe"],
    "PROFFER_OFREP": ["yes", "False"],
    "PROFFER_REQUEST_LIMIT_BYTES": ["0"],
    "PROFFER_ORIGIN_URL": ["shop.example", "ftp://shop.example"],
    "PROFFER_CONTROL_URL": ["/v1"],
    "PROFFER_SECRETS": ["{}", "no JSON", SECRETS.replace(SECRET, "c2hvcnQ=")],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_that_cannot_be_used_is_refused_and_no_secret_is_told(
    name: str, value: str
) -> None:
    given = NEEDED | {name: value}
    with pytest.raises(SettingsError) as error:
        read_everything(given)
    assert SECRET not in str(error.value)


def test_the_guide_has_every_variable_and_binding() -> None:
    guide = (ROOT / "docs/guide/cloudflare.md").read_text()
    table = module.__doc__ or ""
    names = set(re.findall(r"PROFFER_[A-Z_]+|POLICY_[A-Z]+|EDGE_KV|BEACONS", table))
    assert {name for name in names if f"`{name}`" not in guide} == set()
