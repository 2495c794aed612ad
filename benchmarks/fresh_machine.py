"""How fast Leadhand is there: first and second start to the live page, and the size of the default install.

``python benchmarks/fresh_machine.py [--install]``. With ``--install`` a new environment is made from the lock file, which takes
the network and some minutes; without it the size is counted over what the installed packages say they hold.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from protocols.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
LONGEST_SECOND_START = 15.0
MOST_BYTES = 1_300_000_000
LONGEST_FROM_CLONE = 240.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="make a new environment and measure from clone to live page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadhand-fresh-") as folder:
        return _from_clone(Path(folder)) if given.install else _here(Path(folder))


def _here(folder: Path) -> int:
    home = folder / "home"
    first = _start(Path(sys.executable), home, ROOT)
    second = _start(Path(sys.executable), home, ROOT)
    size = _installed_bytes()
    print(f"first start          {first:.1f} s")
    print(f"second start         {second:.1f} s  (promised: at most {LONGEST_SECOND_START:g} s)")
    print(f"default install      {size / 1e6:,.0f} MB  (promised: at most {MOST_BYTES / 1e6:,.0f} MB)")
    return 0 if second <= LONGEST_SECOND_START and size <= MOST_BYTES else 1


def _from_clone(folder: Path) -> int:
    begin = time.monotonic()
    clone = folder / "leadhand"
    subprocess.run([_tool("git"), "clone", "--quiet", str(ROOT), str(clone)], check=True)
    subprocess.run([_tool("make"), "--silent", "venv", f"PYTHON={sys.executable}"], cwd=clone, check=True)
    python = clone / ".venv" / "bin" / "python"
    home = folder / "home"
    first = _start(python, home, clone)
    total = time.monotonic() - begin
    second = _start(python, home, clone)
    size = sum(file.lstat().st_size for file in (clone / ".venv").rglob("*") if file.is_file() and not file.is_symlink())
    torch = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0
    print(f"clone to live page   {total:.0f} s, of it {first:.1f} s the first start  (promised: at most {LONGEST_FROM_CLONE:g} s)")
    print(f"second start         {second:.1f} s  (promised: at most {LONGEST_SECOND_START:g} s)")
    print(f"default install      {size / 1e6:,.0f} MB  (promised: at most {MOST_BYTES / 1e6:,.0f} MB)")
    print(f"torch                {'is in it' if torch else 'is not in it'}")
    return 0 if total <= LONGEST_FROM_CLONE and second <= LONGEST_SECOND_START and size <= MOST_BYTES and not torch else 1


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed")
    return found


def _start(python: Path, home: Path, root: Path) -> float:
    """Start the demo and return the seconds until its page answers and its link is told; then stop it."""
    port = free_port()
    begin = time.monotonic()
    process = subprocess.Popen([python, "-m", "leadhand", "demo", "--home", home, "--port", str(port)], cwd=root, stderr=subprocess.DEVNULL)
    try:
        while not _is_live(home, port):
            if process.poll() is not None:
                raise SystemExit("the demo did not start; run 'leadhand demo' to see why")
            time.sleep(0.05)
        return time.monotonic() - begin
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


def _is_live(home: Path, port: int) -> bool:
    try:
        status = json.loads((home / "run" / "status.json").read_text())
        if not str(status.get("address", "")).endswith(f":{port}"):
            return False
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _installed_bytes() -> int:
    """Return the bytes of Leadhand's default requirements, without extras, as their own records list the files."""
    waiting, seen, total = ["leadhand"], set[str](), 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in found.files or ():
            path = Path(str(found.locate_file(file)))
            total += path.stat().st_size if path.is_file() else 0
        waiting += [re.split(r"[ ;<>=!~\[(]", each, maxsplit=1)[0] for each in found.requires or () if "extra ==" not in each]
    if "torch" in seen:
        raise SystemExit("the default install pulls in torch")
    return total


if __name__ == "__main__":
    sys.exit(main())
