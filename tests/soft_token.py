"""A token of SoftHSM in a folder, which can be taken away and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import missing

from registry.keys.tokens import TokenVault

PIN, LABEL = "567890", "suizheng"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")


@dataclass
class SoftToken:
    """The token; `vault` opens it as the registry does."""

    module: str
    tokens: Path

    def vault(self, label: str = LABEL, pin: str = PIN) -> TokenVault:
        return TokenVault(self.module, label, lambda: pin)

    def take_away(self) -> None:
        self.tokens.rename(self.tokens.with_name("away"))

    def put_back(self) -> None:
        self.tokens.with_name("away").rename(self.tokens)


def make_token(folder: Path) -> SoftToken:
    """A fresh token. The library reads its configuration once a process: one folder for all tests of a process."""
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        missing("SoftHSM (softhsm2)")
    assert module is not None
    tokens, settings = folder / "tokens", folder / "softhsm2.conf"
    tokens.mkdir()
    settings.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    words = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]
    subprocess.run(words, check=True, capture_output=True)
    return SoftToken(module, tokens)
