"""Settings come from the environment, with errors that name the variable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from control_plane.settings import Settings, SettingsError, read_settings
from control_plane.storage.failures import MissingExtra
from control_plane.storage.opening import open_database, open_store


def test_without_variables_the_defaults_hold():
    assert read_settings({}) == Settings()


def test_each_variable_is_the_setting_in_capitals():
    environ = {
        "PROFFER_DATA": "elsewhere",
        "PROFFER_PORT": "9000",
        "PROFFER_CATALOG": "shop/catalog",
        "PROFFER_CONSOLE_HOSTS": "127.0.0.1, console.example",
        "PROFFER_LEARN_EVERY_S": "30",
    }
    settings = read_settings(environ)
    assert settings.data == Path("elsewhere")
    assert settings.database == Path("elsewhere/proffer.db")
    assert settings.port == 9000
    assert settings.catalog == Path("shop/catalog")
    assert settings.console_hosts == ("127.0.0.1", "console.example")
    assert settings.learn_every_s == 30


def test_overrides_win_and_other_variables_are_left_alone():
    environ = {"PROFFER_PORT": "9000", "PROFFER_URL": "http://edge.example", "PORT": "1"}
    assert read_settings(environ, port=9001).port == 9001


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PROFFER_PORT", "http"),
        ("PROFFER_DATA", ""),
        ("PROFFER_PORT", "-1"),
        ("PROFFER_PORT", "70000"),
        ("PROFFER_MANIFEST_LIFE_S", "0"),
        ("PROFFER_MANIFEST_LIFE_S", "1.5"),
        ("PROFFER_RESIGN_EVERY_S", "-3"),
        ("PROFFER_TENANT", ""),
        ("PROFFER_CHANNEL", "Not a channel"),
        ("PROFFER_CONSOLE_HOSTS", ","),
        ("PROFFER_OBJECT_STORE", "my-bucket"),
        ("PROFFER_OBJECT_STORE", "s3://UPPER/v1"),
        ("PROFFER_OBJECT_STORE", "s3://bucket/a b"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(variable: str, text: str):
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: text})
    assert str(caught.value).startswith(f"{variable}={text!r}: ")


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:secret@h/d", "postgres://h/d?sslmode=require", "postgresql+psycopg:///d"],
)
def test_the_databases_address_may_stand_where_hosts_put_it(url: str):
    assert read_settings({"DATABASE_URL": url}).database_url == url
    own = "postgresql://own/d"
    both = {"DATABASE_URL": url, "PROFFER_DATABASE_URL": own}
    assert read_settings(both).database_url == own
    assert read_settings({"DATABASE_URL": url, "PROFFER_DATABASE_URL": ""}).database_url == ""


@pytest.mark.parametrize("text", ["mysql://u:secret@h/d", "secret", "postgresql://u:sec ret@h"])
def test_a_password_is_never_told(text: str):
    for variable in ("DATABASE_URL", "PROFFER_DATABASE_URL"):
        with pytest.raises(
            SettingsError, match=f"^{variable}=.hidden.: expected postgresql://"
        ) as e:
            read_settings({variable: text})
        assert "sec" not in str(e.value)
    assert "secret" not in repr(Settings(database_url="postgresql://u:secret@h/d"))


def test_without_the_extras_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for module in ("psycopg", "boto3", "boto3.session"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'proffer\[postgres\]'"):
        open_database(Settings(database_url="postgresql://h/d"))
    with pytest.raises(MissingExtra, match=r"pip install 'proffer\[s3\]'"):
        open_store(Settings(object_store="s3://bucket"))
