"""What the environment may say, and what the first start makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_office import settings_in

from api.settings import Settings, SettingsError


def test_the_environment_says_how_to_run(tmp_path: Path) -> None:
    settings = Settings.from_environment({"SUIZHENG_DATA": str(tmp_path), "SUIZHENG_PORT": "9000"})
    assert (settings.data, settings.port, settings.chain) == (tmp_path, 9000, "embedded")
    assert settings.database_url == f"sqlite:///{tmp_path / 'registry.db'}"
    assert settings.public_url == "http://127.0.0.1:9000" and not settings.is_https


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SUIZHENG_PORT", "eighty"),
        ("SUIZHENG_PORT", "70000"),
        ("SUIZHENG_CHAIN", "ftp://127.0.0.1"),
        ("SUIZHENG_PUBLIC_URL", "https://suizheng.example/path"),
        ("SUIZHENG_VERIFICATIONS_PER_MINUTE", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({variable: value})
    assert refused.value.variable == variable


def test_the_secrets_are_made_once_for_their_owner_alone_and_never_made_anew(tmp_path: Path) -> None:
    from api.composition import compose

    compose(settings_in(tmp_path)).close()
    secret = tmp_path / "keys" / "blind.key"
    first = secret.read_bytes()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    compose(settings_in(tmp_path)).close()
    assert secret.read_bytes() == first
    secret.unlink()
    with pytest.raises(SettingsError, match=r"blind\.key"):
        compose(settings_in(tmp_path))
