"""Evidence of a real registry under cosigned heads, a registry that shows two histories, and the whole over HTTP."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from api_office import settings_in
from crash_runner import Institution, food_licence, prepare
from fastapi.testclient import TestClient
from test_witness import Process
from witness_road import NAMES, Road, later

from api.app import create_app
from api.composition import compose
from api.settings import Settings, SettingsError
from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered
from registry.evidence import service as evidence
from registry.trust import service as trust
from registry.work import REGISTRY
from verifier.cosignature import witness_key
from verifier.errors import Check
from verifier.evidence import EvidenceBundle, verify_evidence
from verifier.note import split_note
from verifier.trust import TrustBundle
from verifier.verdict import CheckResult, State, Verdict

FIRST, SECOND, THIRD = NAMES


def open_in(folder: Path, hours: int = 1) -> Institution:
    return Institution(folder, f"sqlite:///{folder / 'registry.db'}", hours=hours)


@pytest.fixture
def institution(tmp_path: Path) -> Iterator[Institution]:
    folder = tmp_path / "registry"
    folder.mkdir()
    prepare(folder, f"sqlite:///{folder / 'registry.db'}")
    opened = open_in(folder)
    yield opened
    opened.close()


def register(place: Institution, number: int) -> str:
    with place.registry.begin(REGISTRY) as work:
        outcome = certificates.register_many(work, [food_licence(number)])[0]
    assert isinstance(outcome, Registered)
    return outcome.id


def export(place: Institution, certificate: str) -> bytes:
    with place.registry.begin(REGISTRY) as work:
        return evidence.export(work, place.pipeline.log, certificate)


def believe(place: Institution) -> TrustBundle:
    with place.registry.begin(REGISTRY) as work:
        return TrustBundle.open(trust.publish(work, place.keys))


def judge(place: Institution, certificate: str) -> tuple[State, CheckResult | None]:
    """Evidence under the registry's own newest trust bundle."""
    verdict: Verdict = verify_evidence(export(place, certificate), believe(place), place.clock() + timedelta(minutes=1))
    return verdict.state, next((one for one in verdict.checks if one.check is Check.WITNESSES), None)


def test_evidence_is_valid_once_enough_witnesses_cosigned_its_head(institution: Institution, tmp_path: Path) -> None:
    before = believe(institution)
    old = register(institution, 500)
    institution.settle()
    assert judge(institution, old) == (State.VALID, None)
    later(institution, hours=1)
    road = Road(institution, tmp_path)
    # The head was anchored before there were witnesses: old evidence is not asked for what nobody could have given.
    state, result = judge(institution, old)
    assert state is State.VALID and result is not None and result.reason == "before_witnesses"
    assert believe(institution).content.version > before.content.version
    road.held = {name: [] for name in NAMES}
    fresh = register(institution, 501)
    road.tick()
    state, result = judge(institution, fresh)
    assert state is State.UNDECIDED and result is not None and result.reason == "not_cosigned"
    _deliver(road, FIRST)
    state, result = judge(institution, fresh)
    assert state is State.UNDECIDED and result is not None and result.reason == "too_few_witnesses"
    _deliver(road, SECOND)
    state, result = judge(institution, fresh)
    assert state is State.VALID and result is not None
    assert set(result.evidence["witnesses"]) == {FIRST, SECOND}
    road.check()


def test_evidence_stands_under_the_newest_head_that_enough_cosigned(institution: Institution, tmp_path: Path) -> None:
    later(institution, hours=1)
    road = Road(institution, tmp_path)
    first = register(institution, 500)
    road.tick()
    cosigned = road.sizes()[FIRST]
    road.held = {name: [] for name in NAMES}
    second = register(institution, 501)
    road.tick()
    assert judge(institution, first)[0] is State.VALID
    assert EvidenceBundle.from_bytes(export(institution, first)).anchor.size == cosigned
    newer = EvidenceBundle.from_bytes(export(institution, second))
    assert newer.anchor.size > cosigned and newer.cosigned is None
    # Trust bundles say the same after the witnesses were let go, and nothing is asked for any more.
    with institution.registry.begin(REGISTRY) as work:
        from registry.witnesses import service

        service.configure(work, (), 0)
    assert judge(institution, second)[0] is State.VALID


def _deliver(road: Road, name: str) -> None:
    for deliver in road.held.pop(name):
        deliver()
    road.tick(1)


def test_of_two_histories_only_one_can_be_believed(institution: Institution, tmp_path: Path) -> None:
    """The registry keeps two logs under one name and one key, and shows each to other people."""
    later(institution, hours=1)
    honest = Road(institution, tmp_path)
    register(institution, 500)
    honest.tick()
    institution.close()
    shutil.copytree(tmp_path / "registry", tmp_path / "other")
    shown, hidden = open_in(tmp_path / "registry", 4), open_in(tmp_path / "other", 4)
    try:
        mine, theirs = register(shown, 600), register(hidden, 700)
        one, two = Road(shown, tmp_path), Road(hidden, tmp_path)
        # Two of three witnesses see the first history; the third is shown the second before it hears of the first.
        one.held[THIRD] = []
        one.tick()
        two.tick()
        _deliver(one, THIRD)
        one.tick()
        assert one.sizes()[FIRST] == one.sizes()[SECOND] == two.sizes()[THIRD]
        assert two.reason(FIRST) == two.reason(SECOND) == "witness_contradicts" == one.reason(THIRD)
        # Another entry does not help: the proof of the second history does not begin at the first.
        register(hidden, 701)
        later(hidden, minutes=5)
        two.tick(6)
        assert two.reason(FIRST) in ("proof_refused", "witness_contradicts")
        state, result = judge(shown, mine)
        assert state is State.VALID and result is not None and set(result.evidence["witnesses"]) == {FIRST, SECOND}
        # The second history has its own anchors and a trust bundle by the same root key: only witnesses are missing.
        state, result = judge(hidden, theirs)
        assert state is State.UNDECIDED and result is not None and result.reason == "too_few_witnesses"
        assert [check.outcome for check in _checks(hidden, theirs) if check.check is Check.ANCHOR] == ["passed"]
        # Lines of the first history under the second are no help either.
        stolen = EvidenceBundle.from_bytes(export(shown, mine)).cosigned or b""
        forged = EvidenceBundle.from_bytes(export(hidden, theirs))
        lines = "\n".join(split_note(stolen.decode())[1][1:]) + "\n"
        patched = replace(forged, cosigned=(forged.cosigned or b"") + lines.encode())
        verdict = verify_evidence(patched.to_bytes(), believe(hidden), hidden.clock())
        assert verdict.state is State.INVALID and verdict.reason == "bad_cosignature"
    finally:
        shown.close()
        hidden.close()


def _checks(place: Institution, certificate: str) -> tuple[CheckResult, ...]:
    return verify_evidence(export(place, certificate), believe(place), place.clock() + timedelta(minutes=1)).checks


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    ends_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def test_a_server_and_a_witness_find_each_other_over_http(tmp_path: Path) -> None:
    compose(settings_in(tmp_path / "data")).close()
    services = compose(settings_in(tmp_path / "data"))
    bundle = tmp_path / "trust.json"
    bundle.write_bytes(services.trust.data())
    services.close()
    witness = Process(tmp_path / "w", "--name", FIRST, "--trust", str(bundle))
    try:
        vkey = next(line.rpartition("：")[2].strip() for line in witness.lines if FIRST in line)
        text = f"{witness.url} {vkey}\nhttp://127.0.0.1:9/ {_stranger(tmp_path)}"
        environment = {"SUIZHENG_WITNESSES": text, "SUIZHENG_WITNESS_THRESHOLD": "1"}
        read = Settings.from_environment(environment)
        assert [one.name for one in read.witnesses] == [FIRST, SECOND]
        services = compose(
            settings_in(tmp_path / "data", witnesses=read.witnesses, witness_threshold=read.witness_threshold)
        )
        with TestClient(create_app(services)) as client:

            def standing() -> dict[str, dict[str, object]]:
                status = client.get("/api/v1/status").json()
                return {one["name"]: {**one, "size": one["size"]} for one in status["witnesses"]}

            eventually(lambda: standing()[FIRST]["size"] != 0)
            eventually(lambda: standing()[SECOND]["reason"] == "witness_silent")
            assert standing()[FIRST]["lag"] == 0 and standing()[SECOND]["size"] == 0
            eventually(lambda: f"— {FIRST} " in client.get("/log/checkpoint").text)
            trusted = TrustBundle.open(client.get("/api/v1/trust").content).content
            assert (trusted.witness_threshold, len(trusted.witnesses)) == (1, 2)
            assert witness_key(vkey)[1] in {one.public for one in trusted.witnesses}
            assert client.get("/healthz").status_code == 200
            page = client.get("/status", headers={"Accept": "text/html"}).text
            assert FIRST in page and SECOND in page and "连接不上见证方" in page
    finally:
        witness.end()


def _stranger(folder: Path) -> str:
    from api.witness.folder import open_folder

    return open_folder(folder / "stranger", SECOND).vkey


@pytest.mark.parametrize(
    "environment",
    [
        {"SUIZHENG_WITNESSES": "https://w.example"},
        {"SUIZHENG_WITNESSES": "ftp://w.example a.example+00000000+AAAA"},
        {"SUIZHENG_WITNESSES": "https://w.example a.example+00000000+AAAA"},
        {"SUIZHENG_WITNESS_THRESHOLD": "1"},
        {"SUIZHENG_WITNESSES_DISTRUSTED": "nobody"},
    ],
)
def test_witnesses_that_cannot_be_used_are_named(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environment)
    assert refused.value.variable in environment


def test_two_witnesses_of_one_name_or_key_are_refused(tmp_path: Path) -> None:
    vkey = _stranger(tmp_path)
    with pytest.raises(SettingsError, match="相同"):
        Settings.from_environment({"SUIZHENG_WITNESSES": f"https://a.example {vkey}; https://b.example {vkey}"})
