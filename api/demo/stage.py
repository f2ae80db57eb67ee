"""What the stages share: the server, its callers, the folder that stays, and the numbers that were counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from api.demo.client import Client
from api.demo.server import Server


@dataclass
class Stage:
    """One run of the demo. `clients` by department code; `certificates`: printed number → id; `codes`: name → id."""

    console: Console
    server: Server
    output: Path
    clients: dict[str, Client] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    codes: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, what: str, result: str) -> None:
        """One line of the closing table."""
        self.told.append((what, result))
        self.console.print(f"[green]✓[/green] {what}：{result}")

    def write(self, name: str, content: bytes) -> Path:
        """Keep a file in the output folder."""
        path = self.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


class DemoFailedError(AssertionError):
    """Something that the demo counts on did not happen."""


def expect(condition: bool, message: str) -> None:
    """Raises DemoFailedError with the message unless the condition holds."""
    if not condition:
        raise DemoFailedError(message)
