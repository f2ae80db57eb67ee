"""What the environment says, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from registry.errors import KeyUnavailableError
from registry.factors.rules import ASKED, Asked
from registry.keys.rules import FAMILIES, check_suite
from registry.witnesses.rules import Address
from verifier.cosignature import witness_key
from verifier.errors import MalformedError
from verifier.suites import PublicKey, Suite

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
class Token:
    """A token by PKCS #11: the library, the token's label, and the file that holds its PIN."""

    module: str
    label: str
    pin_file: Path


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Where files lie, sealed: a folder's path, or s3://bucket/prefix with the address of a store that is not Amazon's.

    daily_mb, total_mb: what one department may hand in, in 10^6 bytes; 0 for no limit.
    """

    place: str
    endpoint: str | None = None
    daily_mb: int = 0
    total_mb: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """How this server runs. `data` holds registry.db, keys/, log/, files/ and chain/; it is never served as a whole.

    chain: "embedded", "none", or the http(s) address of a node.
    verifications_per_minute, logins_per_minute, reports_per_minute: what one anonymous address may ask.
    witnesses: who is asked to cosign the log's heads; witness_threshold: how many of them verifiers must ask for;
    distrusted_witnesses: former keys of witnesses whose secrets leaked.
    token: where new keys are made instead of in files; key_passphrase_file: what seals new key files; key_suites: of
    new keys by purpose (`log`, `codes`, `status`, `trust-root`, `department`), Ed25519 where it says nothing.
    files: where files lie; None for the folder files/ in `data`, without limits.
    second_factor: of whom a second factor is asked at log-in: `none`, `administrators`, `all`.
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
    token: Token | None = None
    key_passphrase_file: Path | None = None
    key_suites: Mapping[str, Suite] = field(default_factory=dict)
    files: FileSettings | None = None
    second_factor: Asked = "none"

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
            token=_token(environment.get("SUIZHENG_PKCS11") or "", environment.get("SUIZHENG_PKCS11_PIN_FILE") or ""),
            key_passphrase_file=_path(environment.get("SUIZHENG_KEY_PASSPHRASE_FILE")),
            key_suites=_suites(environment.get("SUIZHENG_KEY_SUITES") or ""),
            files=_files(environment, data),
            second_factor=_second_factor(environment.get("SUIZHENG_SECOND_FACTOR") or "none"),
        )

    @property
    def filing(self) -> FileSettings:
        """Where files lie."""
        return self.files or FileSettings(str(self.data / "files"))

    @property
    def is_https(self) -> bool:
        """Whether callers reach this server by https, so that cookies may demand it."""
        return self.public_url.startswith("https://")


def read_secret(path: Path, variable: str) -> str:
    """The secret in a file, without its line end. Raises SettingsError."""
    try:
        secret = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(variable, f"无法读取 {path}") from error
    if not secret:
        raise SettingsError(variable, f"{path} 是空文件")
    return secret


def _path(text: str | None) -> Path | None:
    return Path(text).resolve() if text else None


def _token(text: str, pin_file: str) -> Token | None:
    """「模块路径;令牌名称」."""
    if not text:
        return None
    module, _, label = (part.strip() for part in text.partition(";"))
    if not module or not label:
        raise SettingsError("SUIZHENG_PKCS11", f"应为「PKCS#11 模块路径;令牌名称」，得到 {text!r}")
    if not pin_file:
        raise SettingsError("SUIZHENG_PKCS11_PIN_FILE", "使用密码令牌须指明存放 PIN 的文件")
    return Token(module, label, Path(pin_file).resolve())


def _suites(text: str) -> dict[str, Suite]:
    """「用途=套件」 divided by commas, such as codes=ES256,department=SM2."""
    found = {}
    for part in text.replace(";", ",").split(","):
        if not part.strip():
            continue
        purpose, _, suite = (one.strip() for one in part.partition("="))
        if suite.upper() not in Suite.__members__ or purpose not in FAMILIES:
            wanted = f"用途为 {'、'.join(FAMILIES)}，套件为 {'、'.join(Suite.__members__)}"
            raise SettingsError("SUIZHENG_KEY_SUITES", f"每项应为「用途=套件」（{wanted}），得到 {part.strip()!r}")
        found[purpose] = Suite[suite.upper()]
        try:
            check_suite(purpose, found[purpose])
        except KeyUnavailableError as error:
            raise SettingsError("SUIZHENG_KEY_SUITES", error.message) from error
    return found


def _second_factor(text: str) -> Asked:
    for asked in ASKED:
        if text == asked:
            return asked
    raise SettingsError("SUIZHENG_SECOND_FACTOR", f"应为 {'、'.join(ASKED)} 之一，得到 {text!r}")


def _files(environment: Mapping[str, str], data: Path) -> FileSettings:
    text = environment.get("SUIZHENG_FILES") or str(data / "files")
    endpoint = environment.get("SUIZHENG_FILES_ENDPOINT") or None
    parts = urlsplit(text)
    if parts.scheme and (parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment):
        raise SettingsError("SUIZHENG_FILES", f"应为目录或 s3://存储桶/前缀，得到 {text!r}")
    if endpoint is not None and parts.scheme != "s3":
        raise SettingsError("SUIZHENG_FILES_ENDPOINT", "只在 SUIZHENG_FILES 为 s3://… 时使用")
    if endpoint is not None and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise SettingsError("SUIZHENG_FILES_ENDPOINT", f"应为对象存储的 http(s) 地址，得到 {endpoint!r}")
    place = text.rstrip("/") if parts.scheme else str(Path(text).resolve())
    limits = (_number(environment, f"SUIZHENG_FILES_{which}_MB", 0, 0, 1_000_000_000) for which in ("DAILY", "TOTAL"))
    return FileSettings(place, endpoint, *limits)


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
