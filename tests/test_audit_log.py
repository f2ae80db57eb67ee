"""The auditor finds whatever is changed in the published log, by bytes or by those who hold the keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import audit_world as world
import pytest
import registry_house as house
from audit_world import CARE_KEY, LOG_ALONE, MARKET_KEY, Copy, Plant, appended, signed_by

from registry.keys import rules as key_rules
from registry.log.tiles import tile_path
from verifier import cose
from verifier.entry import Entry
from verifier.merkle import leaf_hash
from verifier.suites import SoftwareKey

pytest_plugins = ("audit_fixtures",)

# ---- Bytes of the published log -------------------------------------------------------------------------------------


def flip(path: str, at: int = -20) -> Callable[[Copy], None]:
    def tamper(copied: Copy) -> None:
        file = copied.log / path
        data = bytearray(file.read_bytes())
        data[at] ^= 1
        file.write_bytes(data)

    return tamper


def cut(path: str, to: int) -> Callable[[Copy], None]:
    def tamper(copied: Copy) -> None:
        os.truncate(copied.log / path, to)

    return tamper


def drop(path: str) -> Callable[[Copy], None]:
    return lambda copied: (copied.log / path).unlink()


def partial(level: int | str) -> Callable[[Copy], str]:
    def find(copied: Copy) -> str:
        size = world.size_of(copied)
        count = size >> 8 * (level if isinstance(level, int) else 0)
        return tile_path(level, count // 256, count % 256)  # type: ignore[arg-type]

    return find


def flip_partial(level: int | str) -> Callable[[Copy], None]:
    return lambda copied: flip(partial(level)(copied))(copied)


def swap_entries(copied: Copy) -> None:
    entries = world.entries_of(copied)[:256]
    entries[20], entries[21] = entries[21], entries[20]
    world.put(copied.log / tile_path("entries", 0), world.pack_entries(entries))


def entry_and_leaf(copied: Copy) -> None:
    """An entry and its hash, so that the two agree."""
    entries = world.entries_of(copied)[:256]
    entries[20] = entries[20][:-1] + bytes((entries[20][-1] ^ 1,))
    world.put(copied.log / tile_path("entries", 0), world.pack_entries(entries))
    world.put(copied.log / tile_path(0, 0), b"".join(map(leaf_hash, entries)))


def roll_back(copied: Copy) -> None:
    (note,) = copied.ask("SELECT note FROM checkpoints ORDER BY size LIMIT 1")
    (copied.log / "checkpoint").write_text(note)


def other_origin(copied: Copy) -> None:
    world.sign(copied, world.size_of(copied), bytes(32), origin="suizheng/log/another")


def wrong_key(copied: Copy) -> None:
    world.publish(copied, world.entries_of(copied), key=SoftwareKey.generate())


def changed_root(copied: Copy) -> None:
    file = copied.log / "checkpoint"
    lines = file.read_text().split("\n")
    lines[2] = ("B" if lines[2][0] == "A" else "A") + lines[2][1:]
    file.write_text("\n".join(lines))


def signed_root_of_nothing(copied: Copy) -> None:
    world.sign(copied, world.size_of(copied), bytes(range(32)))


def fork(copied: Copy) -> None:
    """All signatures genuine: two entries have changed places in the whole log."""
    entries = world.entries_of(copied)
    entries[2], entries[3] = entries[3], entries[2]
    world.publish(copied, entries)


# ---- Logs that the registry's own keys signed -----------------------------------------------------------------------


def by_a_stranger(copied: Copy, entry: Entry) -> bytes:
    return cose.sign1(entry.to_bytes(), SoftwareKey.generate(), cose.Type.ENTRY)


def with_a_broken_signature(copied: Copy, entry: Entry) -> bytes:
    signed = bytearray(signed_by(MARKET_KEY)(copied, entry))
    signed[-1] ^= 1
    return bytes(signed)


def repeated(copied: Copy) -> None:
    entries = world.entries_of(copied)
    world.publish(copied, [*entries, entries[30]])


def sealed_again(copied: Copy) -> None:
    """The same submission once more, linked to the first: other bytes, another leaf, and yet a second index."""
    entries = world.entries_of(copied)
    first = Entry.from_bytes(cose.open_typed(entries[30], cose.Type.ENTRY, limit=8192)[1])
    again = replace(first, previous=leaf_hash(entries[30]))
    signed = cose.sign1(again.to_bytes(), world.key_of(copied, MARKET_KEY), cose.Type.ENTRY)
    world.publish(copied, [*entries, signed])


def cosignature(copied: Copy) -> None:
    """A line in the name of the witness that it never wrote: that of another head."""
    file = copied.log / "checkpoint"
    signed, _, line = file.read_text().rstrip("\n").rpartition("\n")
    name = line.split(" ")[1]
    changed = line[:-8] + ("A" if line[-8] != "A" else "B") + line[-7:]
    assert name == "witness.example/w1"
    file.write_text(f"{signed}\n{changed}\n")


IN_THE_LOG = {
    "a witness's line altered": Plant("cosignature_differs", cosignature),
    "an entry's byte flipped": Plant("entry_tile_differs", flip("tile/entries/000", 5_000)),
    "a byte flipped in the last entries": Plant("entry_tile_differs", flip_partial("entries")),
    "two entries swapped": Plant("entry_tile_differs", swap_entries),
    "an entry tile truncated": Plant("bundle_damaged", cut("tile/entries/000", 9_000)),
    "an entry tile missing": Plant("bundle_missing", drop("tile/entries/000")),
    "a leaf hash altered": Plant("entry_tile_differs", flip("tile/0/000")),
    "a partial tile altered": Plant("entry_tile_differs", flip_partial(0)),
    "an entry altered with its leaf hash": Plant("inner_tile_differs", entry_and_leaf, {"trust": None}),
    "an interior tile altered": Plant("inner_tile_differs", flip("tile/1/000.p/1")),
    "a hash tile missing": Plant("tile_missing", drop("tile/0/000")),
    "a hash tile truncated": Plant("tile_damaged", cut("tile/0/000", 8_000)),
    "the checkpoint missing": Plant("checkpoint_missing", drop("checkpoint")),
    "the checkpoint truncated": Plant("checkpoint_malformed", cut("checkpoint", 40)),
    "the checkpoint rolled back": Plant("checkpoint_rolled_back", roll_back),
    "the checkpoint of another log": Plant("checkpoint_other_log", other_origin),
    "the checkpoint signed with another key": Plant("checkpoint_not_signed", wrong_key),
    "the checkpoint's root altered": Plant("checkpoint_not_signed", changed_root),
    "a signed root that no entries lead to": Plant("published_root_differs", signed_root_of_nothing),
    "a forked log signed with the right key": Plant("trust_head_differs", fork),
    "an entry signed by another department": Plant("entry_key_of_another", appended(signed_by(CARE_KEY))),
    "an entry signed with the registry's key": Plant("entry_key_of_another", appended(signed_by(key_rules.LOG))),
    "an entry signed with a key past its time": Plant(
        "entry_key_out_of_time", appended(signed_by(MARKET_KEY, newest=False))
    ),
    "an entry dated before its key": Plant(
        "entry_key_out_of_time", appended(signed_by(MARKET_KEY, recorded_at=house.NOON - timedelta(days=900)))
    ),
    "an entry signed with an unknown key": Plant("entry_unknown_key", appended(by_a_stranger)),
    "an entry with a broken signature": Plant("entry_bad_signature", appended(with_a_broken_signature)),
    "an entry that is none": Plant("entry_malformed", appended(lambda _copied, _entry: b"\xd2nothing")),
    "an entry outside the department's scope": Plant(
        "entry_out_of_scope", appended(signed_by(CARE_KEY, department=house.CARE))
    ),
    "an entry published twice": Plant("entry_duplicated", repeated),
    "a submission sealed twice": Plant("entry_duplicated", sealed_again),
}


@pytest.mark.parametrize("name", IN_THE_LOG)
def test_an_auditor_with_the_log_and_a_trust_bundle_finds(name: str, copied: Copy) -> None:
    plant = IN_THE_LOG[name]
    plant.tamper(copied)
    report = copied.audit(**{**LOG_ALONE, **plant.given})
    assert [found.code for found in report.findings.divergences] == [plant.code]
    assert report.state == "diverged"
