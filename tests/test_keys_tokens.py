"""Keys in a token (SoftHSM): made there, used there, never out of it; and what happens while the token is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pkcs11
import pytest
from file_house import make_store
from log_house import MARKET, NOON
from pkcs11 import Attribute, ObjectClass
from registry_house import CARE, House
from soft_token import PIN, SoftToken, make_token

from registry.database import migrate, open_engine
from registry.errors import FileKeyError, KeyUnavailableError, TransitionError
from registry.files.token_masters import TokenMasters
from registry.keys.rules import CODES, LOG, STATUS, department_purpose
from registry.keys.service import KeyService
from registry.keys.vaults import FileVault
from registry.pipeline import Pipeline
from verifier.suites import Suite

pytest_plugins = ["registry_fixtures"]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return make_token(tmp_path_factory.mktemp("token"))


def opened(folder: Path, token: SoftToken | None, **settings: object) -> KeyService:
    engine = open_engine(f"sqlite:///{folder / 'registry.db'}")
    migrate(engine)
    return KeyService(folder / "keys", engine, token=token and token.vault(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", [Suite.ED25519, Suite.ES256])
def test_a_key_made_in_the_token_signs_there_and_is_found_by_the_next_process(token: SoftToken, suite: Suite) -> None:
    public = token.vault().draw(suite)
    assert public.suite is suite
    for number in range(20):
        message = f"message {number}".encode()
        public.check(token.vault().load(public.kid).sign(message), message)


def test_no_private_half_can_be_read_out_of_the_token(token: SoftToken) -> None:
    kids = [token.vault().draw(suite).kid for suite in (Suite.ED25519, Suite.ES256)]
    library = pkcs11.lib(token.module)
    library.reinitialize()
    session = library.get_token(token_label="suizheng").open(user_pin=PIN)
    for kid in kids:
        key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=kid)
        assert key[Attribute.SENSITIVE] and not key[Attribute.EXTRACTABLE] and key[Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(pkcs11.PKCS11Error):
            key[Attribute.VALUE]


def test_sm2_is_refused_by_the_token_and_kept_in_a_file_by_the_service(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        token.vault().draw(Suite.SM2)
    assert refused.value.reason == "token_suite_unsupported"
    keys = opened(tmp_path, token, suites={STATUS: Suite.SM2})
    assert keys.ensure(STATUS, NOON).public.suite is Suite.SM2
    assert {key.vault for key in keys.known()} == {"files"}


def test_a_wrong_pin_a_wrong_label_and_a_lost_key_are_named(token: SoftToken) -> None:
    kid = token.vault().draw(Suite.ED25519).kid
    for vault, wanted, reason in (
        (token.vault(pin="000000"), kid, "token_pin_wrong"),
        (token.vault(label="another"), kid, "token_unavailable"),
        (token.vault(), bytes(8), "token_key_missing"),
    ):
        with pytest.raises(KeyUnavailableError) as refused:
            vault.load(wanted)
        assert refused.value.reason == reason


def test_a_token_that_went_away_is_used_again_once_it_is_back(token: SoftToken) -> None:
    vault = token.vault()
    public = vault.draw(Suite.ES256)
    key = vault.load(public.kid)
    token.take_away()
    try:
        for _ in range(2):
            with pytest.raises(KeyUnavailableError) as refused:
                key.sign(b"message")
            assert refused.value.reason == "token_unavailable"
    finally:
        token.put_back()
    public.check(key.sign(b"message"), b"message")


@pytest.fixture
def institution(token: SoftToken, sqlite_house: House, tmp_path: Path) -> Iterator[tuple[House, KeyService, Pipeline]]:
    suites = {"department": Suite.ES256, CODES: Suite.ES256}
    keys = KeyService(tmp_path / "keys", sqlite_house.engine, token=token.vault(), suites=suites)
    keys.prepare(sqlite_house.clock())
    pipeline = Pipeline(sqlite_house.engine, keys, tmp_path / "log", None, None, sqlite_house.clock, lambda n: bytes(n))
    yield sqlite_house, keys, pipeline


def test_while_the_token_is_away_registration_goes_on_and_everything_is_sealed_afterwards(
    institution: tuple[House, KeyService, Pipeline], token: SoftToken
) -> None:
    house, keys, pipeline = institution
    house.certificate()
    while pipeline.tick().more:
        pass
    before = pipeline.tick().size
    token.take_away()
    try:
        house.grant()
        progress = pipeline.tick()
        assert {problem.reason for problem in progress.problems} == {"token_unavailable"}
        assert progress.size == before
    finally:
        token.put_back()
    while pipeline.tick().more:
        pass
    progress = pipeline.tick()
    assert progress.size == before + 1 and not progress.problems
    assert {key.vault for key in keys.known()} == {"token"}
    assert {key.public.suite for key in keys.known() if key.purpose == department_purpose(CARE)} <= {Suite.ES256}
    assert next(key.public.suite for key in keys.known() if key.purpose == LOG) is Suite.ED25519


def test_a_rotation_with_a_lead_publishes_the_new_key_first_and_counts_what_each_signs(tmp_path: Path) -> None:
    keys = opened(tmp_path, None)
    old = keys.ensure(CODES, NOON).public
    new = keys.rotate(CODES, NOON, lead=timedelta(days=1), suite=Suite.ES256)
    assert {key.public for key in keys.known()} == {old, new}
    assert keys.key_for(CODES, NOON + timedelta(hours=23)).public == old
    assert keys.key_for(CODES, NOON + timedelta(days=1, seconds=1)).public == new
    with pytest.raises(TransitionError) as refused:
        keys.rotate(CODES, NOON)
    assert refused.value.reason == "rotation_pending"
    for _ in range(3):
        keys.key_for(CODES, NOON).sign(b"x")
    keys.flush_counts(NOON)
    keys.flush_counts(NOON)
    assert {key.public: key.uses for key in keys.known()} == {old: 3, new: 0}


def test_checkpoints_stay_ed25519(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        opened(tmp_path, None, suites={LOG: Suite.ES256}).ensure(LOG, NOON)
    assert refused.value.reason == "suite_not_for_purpose"


@pytest.mark.parametrize("suite", list(Suite))
def test_a_sealed_key_file_opens_with_its_passphrase_only(tmp_path: Path, suite: Suite) -> None:
    folder = tmp_path / "keys"
    public = FileVault(folder, b"a long passphrase").draw(suite)
    assert b"PRIVATE KEY" not in (folder / f"{public.kid.hex()}.pem").read_bytes()
    key = FileVault(folder, b"a long passphrase").load(public.kid)
    public.check(key.sign(b"m"), b"m")
    for passphrase, reason in ((None, "key_passphrase_missing"), (b"another", "key_passphrase_wrong")):
        with pytest.raises(KeyUnavailableError) as refused:
            FileVault(folder, passphrase).load(public.kid)
        assert refused.value.reason == reason


def test_a_passphrase_given_later_leaves_older_files_readable(tmp_path: Path) -> None:
    old = opened(tmp_path, None).ensure(department_purpose(MARKET), NOON).public
    later = opened(tmp_path, None, passphrase=b"given later")
    assert later.key_for(department_purpose(MARKET), NOON).public == old


def test_a_master_key_of_files_never_leaves_the_token(token: SoftToken, tmp_path: Path) -> None:
    store = make_store(tmp_path, token=TokenMasters(token.vault()))
    stored = store.put([b"%PDF-1.7 a licence"])
    assert store.read(stored) == b"%PDF-1.7 a licence" and not list((tmp_path / "keys").iterdir())
    assert stored.sealed is not None
    # A wrapped key that is led to another object's name does not open.
    elsewhere = replace(stored, sealed=replace(stored.sealed, object="0" * 32))
    with pytest.raises(FileKeyError) as wrong:
        store.read(elsewhere)
    assert wrong.value.reason == "file_key_wrong"
    token.take_away()
    for act in (lambda: store.read(stored), lambda: store.put([b"another"])):
        with pytest.raises(FileKeyError) as away:
            act()
        assert away.value.reason in ("token_unavailable", "token_key_missing")
    token.put_back()
    assert store.read(stored) == b"%PDF-1.7 a licence"
    # The next key takes over; the old one stays where it was.
    fresh = store.masters.rotate(NOON + timedelta(hours=1))
    assert store.put([b"another"]).sealed.master == fresh != stored.sealed.master  # type: ignore[union-attr]
