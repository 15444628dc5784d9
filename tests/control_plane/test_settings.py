"""Settings come from the environment, with errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.settings import Settings, SettingsError, read_settings


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
    ],
)
def test_a_wrong_value_is_told_with_its_variable(variable: str, text: str):
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: text})
    assert str(caught.value).startswith(f"{variable}={text!r}: ")
