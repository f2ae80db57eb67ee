"""What the registry asks of a store of objects, wherever it is; api/stores has the kinds there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that lies in a store: its name, its size in bytes, and when it was written, in UTC."""

    name: str
    size: int
    written_at: datetime


class ObjectStore(Protocol):
    """Sealed objects by name. Objects never change: a name is written once. Every method raises StoreError where the
    store refuses, gives no answer or is full."""

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep the pieces as one object, durable when this returns; whole or not at all, also where a piece raises.

        What a piece raises is passed on. Raises StoreError (`object_exists`) for a name that is taken.
        """
        ...

    def get(self, name: str) -> BinaryIO:
        """The object, to be read and closed. Raises FileNotFoundError."""
        ...

    def size(self, name: str) -> int | None:
        """How many bytes it has; None if there is no such object."""
        ...

    def delete(self, name: str) -> None:
        """Remove it; nothing happens if it is not there."""
        ...

    def list(self) -> Iterator[Listed]:
        """Every object, in any order, and what was never finished, under names that no object has."""
        ...
