"""What the environment may say, and what the first start makes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from api_office import settings_in

from api.composition import compose
from api.imports.settings import from_line, to_line
from api.settings import FileSettings, Settings, SettingsError
from registry.departments import service as departments
from registry.work import REGISTRY


def test_the_environment_says_how_to_run(tmp_path: Path) -> None:
    settings = Settings.from_environment({"SUIZHENG_DATA": str(tmp_path), "SUIZHENG_PORT": "9000"})
    assert (settings.data, settings.port, settings.chain) == (tmp_path, 9000, "embedded")
    assert settings.database_url == f"sqlite:///{tmp_path / 'registry.db'}"
    assert settings.public_url == "http://127.0.0.1:9000" and not settings.is_https


def test_files_lie_in_a_folder_or_a_bucket(tmp_path: Path) -> None:
    by_default = Settings.from_environment({"SUIZHENG_DATA": str(tmp_path)})
    assert by_default.filing.place == str(tmp_path / "files")
    given = {"SUIZHENG_FILES": "s3://bucket/a/prefix/", "SUIZHENG_FILES_ENDPOINT": "http://127.0.0.1:7070"}
    in_a_bucket = Settings.from_environment({**given, "SUIZHENG_FILES_TOTAL_MB": "5"})
    assert in_a_bucket.filing == FileSettings("s3://bucket/a/prefix", "http://127.0.0.1:7070", 0, 5)
    assert from_line(to_line(in_a_bucket)).filing == in_a_bucket.filing


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SUIZHENG_PORT", "eighty"),
        ("SUIZHENG_PORT", "70000"),
        ("SUIZHENG_CHAIN", "ftp://127.0.0.1"),
        ("SUIZHENG_PUBLIC_URL", "https://suizheng.example/path"),
        ("SUIZHENG_VERIFICATIONS_PER_MINUTE", "0"),
        ("SUIZHENG_FILES", "ftp://bucket/prefix"),
        ("SUIZHENG_FILES", "s3:///prefix"),
        ("SUIZHENG_FILES_ENDPOINT", "https://store.example"),
        ("SUIZHENG_FILES_DAILY_MB", "-1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({variable: value})
    assert refused.value.variable == variable


def test_the_secrets_are_made_once_for_their_owner_alone_and_never_made_anew(tmp_path: Path) -> None:
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


def test_the_database_is_its_owners_alone_in_a_folder_that_others_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        services = compose(settings_in(tmp_path))
        with services.registry.begin(REGISTRY) as work:
            departments.operator(work)
        assert {path.name for path in tmp_path.glob("registry.db*")} > {"registry.db"}
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("registry.db*")} == {0o600}
        services.close()
    finally:
        os.umask(before)
