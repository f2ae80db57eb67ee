"""Where the node programs are, and whether they are the versions that were tried."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chain.errors import NetworkError
from codes.processes import surroundings

# `make tools` puts what it builds here.
_BUILT = Path(__file__).resolve().parents[2] / ".tools" / "bin"

_ASKING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Program:
    """A program made by others. version: what it must say of itself when asked with `version`."""

    name: str
    variable: str
    version: str
    target: str


GETH = Program("geth", "SUIZHENG_GETH", "Version: 1.13.15-stable", "make tools")
KCN = Program("kcn", "SUIZHENG_KCN", "Kaia v1.0.3", "make tools-kaia")


def look_for(program: Program) -> Path | None:
    """The file that the program's variable names, else what `make tools` built, else what PATH has."""
    if named := os.environ.get(program.variable):
        return Path(named)
    if (built := _BUILT / program.name).is_file():
        return built
    found = shutil.which(program.name)
    return Path(found) if found else None


def find(program: Program) -> Path:
    """The program, checked. Raises NetworkError when it is missing, does not run or is another version."""
    path = look_for(program)
    if path is None:
        raise NetworkError(
            "program_missing",
            f"没有找到节点程序 {program.name}；请在项目目录运行 {program.target}，"
            f"或用环境变量 {program.variable} 指明它的位置",
        )
    try:
        said = subprocess.run(  # noqa: S603 the operator's own program
            [path, "version"], capture_output=True, text=True, timeout=_ASKING_SECONDS, check=False, env=surroundings()
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkError(
            "program_broken", f"节点程序 {path} 无法运行；请在项目目录重新运行 {program.target}"
        ) from error
    if program.version not in said:
        raise NetworkError(
            "program_version",
            f"节点程序 {path} 的版本不符，须为 {program.version}；请在项目目录运行 {program.target}，"
            f"或用环境变量 {program.variable} 指明另一个",
            {"said": said[:200]},
        )
    return path
