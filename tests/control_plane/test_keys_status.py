"""How the keys stand: in the API, the log and the numbers; and secrets that overlap."""

from __future__ import annotations

import base64
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select

from control_plane.key_status import DAY_S, KeysStatus, look
from control_plane.key_watch import Watch, gauges, keys_status
from control_plane.keyring import Chain
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.storage.tables_audit import audit
from policy_compiler.keys import SigningKey
from policy_compiler.sign import sign_root
from tests.control_plane.conftest import Running, running
from tests.control_plane.shop import Edge, send, write_catalog
from tests.support.cli import assert_clear, proffer
from tests.support.signing import NOW_S, a_root, keys, listed, pin, run

HERE = frozenset({keys().online.kid})


def codes(found: KeysStatus) -> list[tuple[str, str]]:
    return [(warning.level, warning.code) for warning in found.warnings]


def stand(services: Services, chain: Chain, now_s: int) -> list[tuple[str, str]]:
    return codes(look(services.settings, services.store, chain, HERE, now_s))


@pytest.fixture
def plain(tmp_path: Path) -> Any:
    services = Services.open(Settings(data=tmp_path))
    yield services
    services.close()


LEFT: dict[str, tuple[int, list[tuple[str, str]]]] = {
    "31 days": (31 * DAY_S, []),
    "30 days": (30 * DAY_S, []),
    "a second less": (30 * DAY_S - 1, [("warning", "root-expires")]),
    "a second": (1, [("warning", "root-expires")]),
    "nothing": (0, [("critical", "root-expires")]),
}


@pytest.mark.parametrize(("left_s", "told"), LEFT.values(), ids=LEFT.keys())
def test_a_root_is_warned_of_thirty_days_before_its_end(
    plain: Services, left_s: int, told: list[tuple[str, str]]
):
    root = run(pin(sign_root([keys().root], a_root(expires_s=NOW_S + left_s))))
    assert stand(plain, Chain((root,)), NOW_S) == told


def test_a_key_that_is_not_here_is_told(plain: Services):
    other = a_root(keys=listed(root=[keys().root], online=[SigningKey.generate()]))
    assert stand(plain, Chain((other,)), NOW_S) == [("critical", "key-not-here")]


@pytest.fixture
def services(tmp_path: Path) -> Any:
    catalog = write_catalog(tmp_path / "catalog")
    settings = Settings(
        data=tmp_path / "var", tenant="tinyshop", catalog=catalog, require_approval=False
    )
    services = Services.open(settings)
    yield services
    services.close()


def at(services: Services, now_s: int) -> KeysStatus:
    found = keys_status(services, now_s)
    assert found is not None
    return found


def test_a_manifest_that_nobody_signs_anew_is_told(services: Services):
    live = services.publisher.live()
    assert live is not None
    half_s = (live.expires_s - live.issued_s) // 2
    assert codes(at(services, live.issued_s + half_s)) == []
    late = at(services, live.issued_s + half_s + 1)
    assert codes(late) == [("warning", "manifest-expires")]
    assert "production" in late.warnings[0].text
    assert codes(at(services, live.expires_s)) == [("critical", "manifest-expires")]


def test_the_log_tells_a_warning_once_an_hour(services: Services, caplog: pytest.LogCaptureFixture):
    live = services.publisher.live()
    assert live is not None
    watch, found = Watch(), at(services, live.expires_s)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for warning in found.warnings:
                watch._tell(warning)
    assert caplog.text.count("the manifest of production expires in 0 s") == 1
    watch.look(services)
    assert watch.status is not None and watch.status.warnings == ()


def test_the_numbers_say_how_long_is_left(services: Services):
    now_s = int(time.time())
    told = {name: value for name, _, value in gauges(at(services, now_s), now_s)}
    assert told["proffer_root_version"] == 1
    assert told["proffer_root_expires_seconds"] > 9 * 365 * DAY_S
    assert 23 * 3600 < told["proffer_manifest_expires_seconds"] <= 24 * 3600
    assert list(gauges(None, now_s)) == []


@pytest.mark.anyio
async def test_the_api_tells_whoever_may_ask(services: Services):
    services.close()
    async with running(structs.replace(services.settings, open_console=True)) as plane:
        answer = await plane.client.get("/v1/keys")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["root"]["version"] == 1 and found["warnings"] == []
        assert {key["role"] for key in found["keys"]} == {"root", "online"}
        assert found["manifests"][0]["channel"] == "production"
        public = await plane.client.get(found["root"]["file"])
        assert public.status_code == 200
        shop = {"Authorization": f"Bearer {plane.shop_key}"}
        assert (await plane.client.get("/v1/keys", headers=shop)).status_code == 403
    async with running(services.settings) as closed:
        assert (await closed.client.get("/v1/keys")).status_code == 401


def test_a_root_is_in_the_audit_log(services: Services):
    data = services.settings.data
    assert proffer("keys", "rotate-online", "--data", data, "--settle", "0").code == 0
    query = select(audit.c.actor, audit.c.subject, audit.c.after).where(
        audit.c.action == "keys.root"
    )
    with services.database.reading() as connection:
        rows = list(connection.execute(query))
    assert [(row.actor, row.subject) for row in rows] == [("process:keys", "root/2")]
    assert '"version":2' in rows[0].after
    assert '"d":' not in rows[0].after


# --- secrets that overlap -----------------------------------------------------


@pytest.fixture
def two_secrets(tmp_path: Path, services: Services) -> Settings:
    """A control plane after `proffer keys secret`: the one of edges now, and the next."""
    old, shop_key = services.keys.edge_secret, services.keys.shop_key
    services.close()
    edge, shop = tmp_path / "edge", tmp_path / "shop"
    for file, first, second in (
        (edge, base64.b64encode(b"n" * 32).decode(), base64.b64encode(old).decode()),
        (shop, "the-next-key-of-the-shop", shop_key),
    ):
        file.write_text(f"{first}\n{second}\n")
        file.chmod(0o600)
    return structs.replace(services.settings, edge_secret_file=edge, shop_key_file=shop)


@pytest.mark.anyio
async def test_tokens_records_and_shop_keys_of_before_count_until_they_are_taken_away(
    two_secrets: Settings,
):
    async with running(two_secrets) as plane:
        first, second = plane.services.keys.edge_secrets
        for shop_key in plane.services.keys.shop_keys:
            for secret in (first, second):
                assert await _redeems(plane, secret, shop_key), (secret, shop_key)
                assert await _is_attested(plane, secret)
        assert not await _redeems(plane, b"x" * 32, plane.shop_key)
        assert not await _redeems(plane, first, "no-key-of-this-shop")
        assert not await _is_attested(plane, b"x" * 32)


class OtherEdge(Edge):
    """An edge with a secret of its own."""

    def __init__(self, services: Services, secret: bytes) -> None:
        super().__init__(services)
        self.secret = secret

    def token(self, arm: str, subject: str, now_s: int, **changes: Any) -> str:
        real, self.services = self.services, _Holding(self.services, self.secret)  # type: ignore[assignment]
        try:
            return super().token(arm, subject, now_s, **changes)
        finally:
            self.services = real

    def mac(self, record: bytes) -> str:
        import hmac

        return hmac.digest(self.secret, record, "sha256").hex()


class _Holding:
    """Services as an edge with that secret sees them."""

    def __init__(self, services: Services, secret: bytes) -> None:
        self.publisher = services.publisher
        self.keys = type("Keys", (), {"edge_secret": secret})


NUMBERS = iter(range(1, 1000))


async def _redeems(plane: Running, secret: bytes, shop_key: str) -> bool:
    number = next(NUMBERS)
    token = OtherEdge(plane.services, secret).token(
        "ten-off/p10", f"v{number}", int(time.time()), id=f"{number:032x}"
    )
    asked = {
        "token": token,
        "order_id": f"o{number}",
        "subject": f"v{number}",
        "cart": {"order_value": "60.00", "margin": "20.00",
                 "attributes": {"cart.categories": ["lamps"]}},
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {shop_key}"}
    answer = await plane.client.post("/v1/redemptions/reserve", json=asked, headers=headers)
    return answer.status_code == 200


async def _is_attested(plane: Running, secret: bytes) -> bool:
    edge = OtherEdge(plane.services, secret)
    decided = edge.decide(f"visitor-{next(NUMBERS)}", int(time.time()))
    answer = await send(plane.client, [edge.decision_event(decided)])
    return answer.json()["accepted"] == 1


# --- what commands refuse -----------------------------------------------------


def test_commands_say_what_is_wrong_and_what_to_do(tmp_path: Path):
    def keys_(*arguments: str | Path) -> Any:
        return proffer("keys", *arguments)

    out = tmp_path / "out"
    ceremony = ("ceremony", "--tenant", "x", "--out", out)
    assert_clear(keys_(*ceremony, "--threshold", "4"), 2, "never reached")
    assert keys_(*ceremony).code == 0
    assert_clear(keys_(*ceremony), 1, "is there already")
    data = ("--data", tmp_path / "var")
    for command in (("status",), ("rotate-online",), ("rotate-root",), ("revoke", "k")):
        assert_clear(keys_(*command, *data), 1, "no root in the store yet")
    assert_clear(keys_("publish-root", out / "root-1.pem", *data), 1, "no proposed root")
    assert_clear(keys_("publish-root", out / "nowhere", *data), 3, "cannot be read")
    assert_clear(keys_("publish-root", out / "root.1.jws", *data), 1, "none of the online keys")
    assert_clear(keys_("sign-root", out / "root.1.jws", "--key", out / "nowhere"), 1, "nowhere")
    assert_clear(keys_("secret", "other", tmp_path / "s"), 2, "no kind of secret")


def test_an_encrypted_ceremony_signs_with_its_password_alone(tmp_path: Path):
    password, wrong = tmp_path / "password", tmp_path / "wrong"
    password.write_text("correct horse battery\n")
    wrong.write_text("wrong horse battery\n")
    out = tmp_path / "out"
    short = tmp_path / "short"
    short.write_text("short")
    ceremony = ("keys", "ceremony", "--tenant", "x", "--encrypt", "--password-file")
    assert_clear(proffer(*ceremony, short, "--out", tmp_path / "no"), 1, "12 characters")
    assert proffer(*ceremony, password, "--out", out).code == 0
    assert b"ENCRYPTED" in (out / "root-1.pem").read_bytes()
    sign = ("keys", "sign-root", out / "root.1.jws", "--key", out / "root-1.pem")
    assert_clear(proffer(*sign, "--password-file", wrong), 1, "password is wrong")
    ran = proffer(*sign, "--password-file", password, "--json")
    assert ran.code == 0 and ran.document["complete"]


def test_a_planned_revocation_waits_until_the_manifests_went_over(services: Services):
    data = services.settings.data
    kid = services.keys.online.kid
    ran = proffer("keys", "rotate-online", "--data", data, "--settle", "0")
    assert ran.code == 0
    (new,) = set(at(services, int(time.time())).manifests[0].signed_by.split()) - {kid}
    assert_clear(proffer("keys", "revoke", new, "--data", data), 1, "still signed by", "Rotate")
    assert proffer("keys", "revoke", kid, "--data", data, "--settle", "0").code == 0
