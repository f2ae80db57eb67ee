"""Between a registry and its witnesses: real logs, real witnesses in folders, and a road that fails in every way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

from crash_runner import Institution
from log_house import House
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.witness.cosigner import Cosigner
from api.witness.folder import open_folder
from api.witness.submission import write_submission
from registry.keys.rules import LOG
from registry.keys.service import KeyService
from registry.log.tables import CheckpointRow
from registry.witnesses import service
from registry.witnesses.asking import Asker
from registry.witnesses.rules import Address, Answer, Silence
from registry.witnesses.tables import CosignatureRow, WitnessRow
from registry.work import REGISTRY
from verifier.cosignature import find_cosignatures
from verifier.note import split_note
from verifier.suites import PublicKey

NAMES = ("market.example/w1", "care.example/w1", "street.example/w1")
Place = House | Institution
Behaviour = Callable[[Answer], Answer | Silence]


class Road:
    """Between a registry and witnesses in folders. `bent` changes what comes back of one, `held` keeps it back."""

    def __init__(self, place: Place, folder: Path, names: tuple[str, ...] = NAMES, threshold: int = 2) -> None:
        self.place = place
        self.keys: tuple[PublicKey, ...] = self.log_keys()
        self.asked: list[tuple[str, int]] = []
        self.bent: dict[str, Behaviour] = {}
        self.held: dict[str, list[Callable[[], None]]] = {}
        identities = {name: open_folder(folder / f"w{number}", name) for number, name in enumerate(names)}
        self.cosigners = {
            name: Cosigner(identity, lambda origin: self.keys, place.clock) for name, identity in identities.items()
        }
        self.identities = identities
        self.addresses = [Address(f"http://{name}", name, one.key.public) for name, one in identities.items()]
        with place.registry.begin(REGISTRY) as work:
            service.configure(work, self.addresses, threshold)
        self.open()

    def log_keys(self) -> tuple[PublicKey, ...]:
        keys: KeyService = self.place.keys
        return tuple(key.public for key in keys.known() if key.purpose == LOG)

    def open(self) -> None:
        """As a new process would."""
        place = self.place
        place.pipeline.witnesses = Asker(place.engine, place.pipeline.log, self.send, place.clock)

    def send(self, url: str, old: int, proof: list[bytes], note: str) -> Future[Answer | Silence]:
        name = url.removeprefix("http://")
        self.asked.append((name, old))
        answer: Future[Answer | Silence] = Future()

        def deliver() -> None:
            said = self.cosigners[name].add_checkpoint(write_submission(old, proof, note))
            arrived = Answer(said.status, said.content_type, said.text.encode())
            answer.set_result(self.bent[name](arrived) if name in self.bent else arrived)

        if name in self.held:
            self.held[name].append(deliver)
        else:
            deliver()
        return answer

    def tick(self, times: int = 3) -> None:
        for _ in range(times):
            self.place.pipeline.tick()

    def sizes(self) -> dict[str, int]:
        asker = self.place.pipeline.witnesses
        assert asker is not None
        return {one.name: one.size for one in asker.standing()}

    def reason(self, name: str) -> str | None:
        asker = self.place.pipeline.witnesses
        assert asker is not None
        return next(one.reason for one in asker.standing() if one.name == name)

    def check(self) -> int:
        """Every stored line holds on its head; how many there are."""
        with Session(self.place.engine) as session:
            known = {row.kid: service.to_witness(row) for row in session.scalars(select(WitnessRow))}
            rows = list(session.scalars(select(CosignatureRow)))
            for row in rows:
                text = split_note(session.get_one(CheckpointRow, row.size).note)[0]
                [(one, _)] = find_cosignatures(text, [row.line], [known[row.kid]])
                assert one.at == row.cosigned_at
        return len(rows)


def later(place: Place, **duration: int) -> None:
    """Let time pass."""
    place.clock.at += timedelta(**duration)
