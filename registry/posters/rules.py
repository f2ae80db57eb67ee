"""Where a poster can be at two times, what can be wrong with it, and how many there are."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from registry.errors import FieldError
from verifier.code_claims import MAX_PLACE_CHARS

#: What people report, and what sightings raise by themselves ("impossible", "elsewhere").
REPORTED: Final = {"moved": "不在原处", "copied": "有多张同样的", "covered": "被覆盖或涂改", "other": "其他"}
ALARMS: Final = {**REPORTED, "impossible": "短时间内在相距很远的地方被扫", "elsewhere": "在远离登记位置的地方被扫"}
MAX_AT_ONCE: Final = 100
MAX_OF_A_VENUE: Final = 1_000
MAX_NOTE_CHARACTERS: Final = 300
MAX_OPEN_ALARMS: Final = 10
#: Sightings carry a geohash of 5 characters, a cell of about 4.9 km, and are forgotten after a day.
CELL_CHARACTERS: Final = 5
SIGHTINGS_KEPT_FOR: Final = timedelta(days=1)
#: Nobody carries a poster faster than this through the city, nor hangs it so far from where it was registered.
FASTEST_KM_PER_HOUR: Final = 120.0
FARTHEST_KM: Final = 10.0

_ALPHABET: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
_GEOHASH: Final = re.compile(f"[{_ALPHABET}]{{5,9}}", re.ASCII)
_CELL: Final = re.compile(f"[{_ALPHABET}]{{{CELL_CHARACTERS}}}", re.ASCII)
_EARTH_KM: Final = 6371.0


@dataclass(frozen=True, slots=True)
class Box:
    """A geohash's cell: its centre in degrees, and how far its corners are from there in km."""

    latitude: float
    longitude: float
    radius_km: float


def box_of(geohash: str) -> Box:
    """The cell of a geohash (Niemeyer): bits for longitude and latitude in turn, each halving what is left."""
    low, high, is_longitude = [-90.0, -180.0], [90.0, 180.0], True
    for character in geohash:
        value = _ALPHABET.index(character)
        for bit in (16, 8, 4, 2, 1):
            axis = 1 if is_longitude else 0
            middle = (low[axis] + high[axis]) / 2
            (low if value & bit else high)[axis] = middle
            is_longitude = not is_longitude
    latitude, longitude = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2
    corner = _distance_km(latitude, longitude, high[0], high[1])
    return Box(latitude, longitude, corner)


def _distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Along the great circle (haversine)."""
    phi, other = math.radians(latitude), math.radians(other_latitude)
    half_lambda = math.radians(other_longitude - longitude) / 2
    part = math.sin((other - phi) / 2) ** 2 + math.cos(phi) * math.cos(other) * math.sin(half_lambda) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(part)))


def least_km(one: str, other: str) -> float:
    """How far two geohashes' cells are apart at least; 0 where they may touch."""
    first, second = box_of(one), box_of(other)
    centres = _distance_km(first.latitude, first.longitude, second.latitude, second.longitude)
    return max(0.0, centres - first.radius_km - second.radius_km)


def is_impossible(one: str, seen_at: datetime, other: str, then: datetime) -> bool:
    """Whether one poster cannot have been in both cells at these times."""
    hours = max(abs((then - seen_at).total_seconds()), 60.0) / 3600
    return least_km(one, other) > FASTEST_KM_PER_HOUR * hours


def is_elsewhere(cell: str, bound: str) -> bool:
    """Whether a cell is too far from where the poster was put up."""
    return least_km(cell, bound) > FARTHEST_KM


def check_count(count: int, present: int) -> list[FieldError]:
    """Faults of how many posters are to be made beside those that there are."""
    if not 1 <= count <= MAX_AT_ONCE:
        return [FieldError("count", "out_of_range", f"一次可制作 1 至 {MAX_AT_ONCE} 张。")]
    if present + count > MAX_OF_A_VENUE:
        return [FieldError("count", "too_many_posters", f"一个场所最多 {MAX_OF_A_VENUE} 张，已有 {present} 张。")]
    return []


def check_place(place: str, geohash: str | None) -> list[FieldError]:
    """Faults of where a poster was put up."""
    errors = []
    if not 0 < len(place.strip()) <= MAX_PLACE_CHARS or not place.isprintable():
        errors.append(
            FieldError("place", "wrong_length", f"张贴位置应为 1 至 {MAX_PLACE_CHARS} 个字，例如“北门入口右侧”。")
        )
    if geohash is not None and not _GEOHASH.fullmatch(geohash):
        errors.append(FieldError("geohash", "wrong_form", "坐标应为 5 至 9 位的 geohash。"))
    return errors


def check_cell(cell: str) -> list[FieldError]:
    """Faults of the place of a sighting: a more exact one is refused, for nobody needs it."""
    if _CELL.fullmatch(cell):
        return []
    return [FieldError("cell", "wrong_form", f"位置应为 {CELL_CHARACTERS} 位的 geohash，更精确的不收。")]


def check_report(kind: str, note: str) -> list[FieldError]:
    """Faults of what somebody reports."""
    errors = []
    if kind not in REPORTED:
        errors.append(FieldError("kind", "unknown_kind", f"问题应为 {'、'.join(REPORTED.values())} 之一。"))
    return errors + check_note(note, "note", needed=kind == "other")


def check_note(note: str, field: str, *, needed: bool) -> list[FieldError]:
    """Faults of a note or an outcome."""
    if (needed and not note.strip()) or len(note) > MAX_NOTE_CHARACTERS or not note.replace("\n", "").isprintable():
        least = 1 if needed else 0
        return [FieldError(field, "wrong_length", f"说明应为 {least} 至 {MAX_NOTE_CHARACTERS} 个字。")]
    return []
