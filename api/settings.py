"""What the environment says, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry.witnesses.rules import Address
from verifier.cosignature import witness_key
from verifier.errors import MalformedError
from verifier.suites import PublicKey

DEFAULT_PORT = 8310
EMBEDDED, NO_CHAIN = "embedded", "none"
_MOST_WITNESSES = 32


class SettingsError(ValueError):
    """A variable of the environment cannot be used as it stands. Do: correct it and start again."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable}：{message}")
        self.variable = variable
        self.message = message


@dataclass(frozen=True, slots=True)
class Settings:
    """How this server runs. `data` holds registry.db, keys/, log/, files/ and chain/; it is never served as a whole.

    chain: "embedded", "none", or the http(s) address of a node.
    verifications_per_minute, logins_per_minute, reports_per_minute: what one anonymous address may ask.
    witnesses: who is asked to cosign the log's heads; witness_threshold: how many of them verifiers must ask for;
    distrusted_witnesses: former keys of witnesses whose secrets leaked.
    """

    data: Path
    database_url: str
    chain: str = EMBEDDED
    port: int = DEFAULT_PORT
    public_url: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    verifications_per_minute: int = 240
    logins_per_minute: int = 60
    reports_per_minute: int = 12
    witnesses: tuple[Address, ...] = ()
    witness_threshold: int = 0
    distrusted_witnesses: tuple[PublicKey, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of these variables; what is not set has a default that works on one machine.

        Raises SettingsError naming the variable.
        """
        data = Path(environment.get("SUIZHENG_DATA") or "suizheng-data").resolve()
        port = _number(environment, "SUIZHENG_PORT", DEFAULT_PORT, 0, 65535)
        witnesses = _witnesses(environment.get("SUIZHENG_WITNESSES") or "")
        return cls(
            data=data,
            database_url=environment.get("SUIZHENG_DATABASE_URL") or f"sqlite:///{data / 'registry.db'}",
            chain=_chain(environment.get("SUIZHENG_CHAIN") or EMBEDDED),
            port=port,
            public_url=_public_url(environment.get("SUIZHENG_PUBLIC_URL") or f"http://127.0.0.1:{port}"),
            verifications_per_minute=_number(environment, "SUIZHENG_VERIFICATIONS_PER_MINUTE", 240, 1, 1_000_000),
            logins_per_minute=_number(environment, "SUIZHENG_LOGINS_PER_MINUTE", 60, 1, 1_000_000),
            reports_per_minute=_number(environment, "SUIZHENG_REPORTS_PER_MINUTE", 12, 1, 1_000_000),
            witnesses=witnesses,
            distrusted_witnesses=_distrusted(environment.get("SUIZHENG_WITNESSES_DISTRUSTED") or ""),
            witness_threshold=_number(environment, "SUIZHENG_WITNESS_THRESHOLD", 0, 0, len(witnesses)),
        )

    @property
    def is_https(self) -> bool:
        """Whether callers reach this server by https, so that cookies may demand it."""
        return self.public_url.startswith("https://")


def _number(environment: Mapping[str, str], variable: str, default: int, least: int, most: int) -> int:
    text = environment.get(variable)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError as error:
        raise SettingsError(variable, f"应为整数，得到 {text!r}") from error
    if not least <= value <= most:
        raise SettingsError(variable, f"应在 {least} 与 {most} 之间，得到 {value}")
    return value


def _chain(text: str) -> str:
    if text in (EMBEDDED, NO_CHAIN):
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError("SUIZHENG_CHAIN", f"应为 {EMBEDDED}、{NO_CHAIN} 或节点的 http(s) 地址，得到 {text!r}")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise SettingsError("SUIZHENG_PUBLIC_URL", f"应为不带路径的 http(s) 地址，得到 {text!r}")
    return f"{parts.scheme}://{parts.netloc}"


def _witnesses(text: str) -> tuple[Address, ...]:
    """「网址 公钥」, one a line or divided by semicolons."""
    found = [_witness(part) for part in _parts(text)]
    for distinct in ({one.name for one in found}, {one.public for one in found}):
        if len(distinct) != len(found):
            raise SettingsError("SUIZHENG_WITNESSES", "两个见证方的名称或公钥相同")
    if len(found) > _MOST_WITNESSES:
        raise SettingsError("SUIZHENG_WITNESSES", f"见证方最多 {_MOST_WITNESSES} 个，得到 {len(found)} 个")
    return tuple(found)


def _distrusted(text: str) -> tuple[PublicKey, ...]:
    try:
        return tuple(witness_key(part)[1] for part in _parts(text))
    except MalformedError as error:
        raise SettingsError("SUIZHENG_WITNESSES_DISTRUSTED", f"公钥不可用：{error.message}") from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.replace(";", "\n").split("\n") if part.strip()]


def _witness(part: str) -> Address:
    url, _, vkey = part.partition(" ")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or len(url) > 500:
        raise SettingsError("SUIZHENG_WITNESSES", f"每项应为「网址 公钥」，得到 {part!r}")
    try:
        return Address(url.rstrip("/"), *witness_key(vkey.strip()))
    except MalformedError as error:
        raise SettingsError("SUIZHENG_WITNESSES", f"{url} 的公钥不可用：{error.message}") from error
