"""What a newer trust bundle has that an older one has not: the way there with few bytes.

Canonical JSON {format, before, after, signed, signatures}: `before` and `after` are the SHA-256 (hex) of both files,
`signed` is the newer content, in which what the older bundle holds too is named instead of repeated: a member is left
out; an item of a list is its place in the older list, places ascending; a member of a map is null. `gone` lists members
that the newer one has no more. Nothing here is believed: the bundle that comes out is judged as if it had come whole.
"""

from __future__ import annotations

import hashlib
from typing import Any

from verifier import canonical
from verifier.errors import MalformedError
from verifier.trust import MAX_BUNDLE_BYTES

FORMAT = "suizheng-trust-update/1"
#: Members that map names to values of their own; all others are taken as a whole.
_MAPS = frozenset(("statuses", "status_deltas", "matters"))


def shorten(known: bytes, newest: bytes) -> bytes:
    """The update that leads from one bundle to another. Raises MalformedError for what is no bundle."""
    before, after = _bundle(known), _bundle(newest)
    old, new = before["signed"], after["signed"]
    news = {name: value for name, value in new.items() if name not in old or old[name] != value}
    return canonical.canonicalise(
        {
            "format": FORMAT,
            "before": _digest(known),
            "after": _digest(newest),
            "gone": sorted(old.keys() - new.keys()),
            "signed": {name: _less(name, old.get(name), value) for name, value in news.items()},
            "signatures": after["signatures"],
        }
    )


def is_update(data: bytes) -> bool:
    """Whether these bytes mean to be an update, rather than a bundle."""
    return data.startswith(b'{"after":')


def restore(known: bytes, update: bytes) -> bytes:
    """The newer bundle's bytes, not yet judged. Raises MalformedError, `wrong_base` where it is for another bundle."""
    if len(update) > MAX_BUNDLE_BYTES:
        raise MalformedError("too_long", f"信任包的更新超过上限 {MAX_BUNDLE_BYTES} 字节")
    value = canonical.parse_canonical(update)
    if not isinstance(value, dict) or value.keys() != _MEMBERS or value["format"] != FORMAT:
        raise MalformedError("not_an_update", "文件不是信任包的更新")
    if value["before"] != _digest(known):
        raise MalformedError("wrong_base", "这份更新不是从现有的信任包出发的，请取得整个信任包")
    old = _bundle(known)["signed"]
    try:
        signed = {name: item for name, item in old.items() if name not in value["gone"]}
        signed |= {name: _more(name, old.get(name), item) for name, item in value["signed"].items()}
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise MalformedError("wrong_fields", "信任包的更新与格式不符") from error
    newest = canonical.canonicalise({"signed": signed, "signatures": value["signatures"]})
    if _digest(newest) != value["after"]:
        raise MalformedError("damaged", "由更新得不出它所说的信任包，请取得整个信任包")
    return newest


_MEMBERS = {"format", "before", "after", "gone", "signed", "signatures"}


def _less(name: str, old: Any, new: Any) -> Any:
    if isinstance(old, list) and isinstance(new, list):
        return _items_less(old, new)
    if name in _MAPS and isinstance(old, dict):
        return {key: None if old.get(key) == value else value for key, value in new.items()}
    return new


def _items_less(old: list[Any], new: list[Any]) -> list[Any]:
    places = {canonical.canonicalise(item): place for place, item in enumerate(old)}
    last = -1
    items = []
    for item in new:
        place = places.get(canonical.canonicalise(item), -1)
        items.append(place if place > last else item)
        last = max(last, place)
    return items


def _more(name: str, old: Any, new: Any) -> Any:
    if isinstance(new, list) and isinstance(old, list):
        return _items_more(old, new)
    if name in _MAPS and isinstance(old, dict):
        return {key: old[key] if value is None else value for key, value in new.items()}
    return new


def _items_more(old: list[Any], new: list[Any]) -> list[Any]:
    """Each old item at most once, in its order: what comes out is never larger than both files together."""
    last = -1
    items = []
    for item in new:
        if type(item) is int:
            if item <= last:
                raise MalformedError("wrong_fields", "信任包的更新与格式不符")
            last, item = item, old[item]
        items.append(item)
    return items


def _bundle(data: bytes) -> dict[str, Any]:
    value = canonical.parse_canonical(data)
    if not isinstance(value, dict) or value.keys() != {"signed", "signatures"} or not isinstance(value["signed"], dict):
        raise MalformedError("not_multisigned", "文件不是信任包")
    return value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
