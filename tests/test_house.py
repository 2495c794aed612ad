"""The house stands as the design says: packages, imports, lock files, and nothing of one machine in it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["plant", "protocols", "storage", "ingest", "monitor", "vision", "optimizer", "delivery", "dashboard", "simulators", "leadhand"]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_imports_go_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert re.search(r"Contracts: \d+ kept, 0 broken", run.stdout)


def test_every_package_is_watched_by_the_import_contracts_and_packed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sorted(project["tool"]["importlinter"]["root_packages"]) == sorted(PACKAGES)
    assert sorted(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == sorted(PACKAGES)
    for package in PACKAGES:
        assert (ROOT / package / "__init__.py").read_text().startswith('"""'), package


@pytest.mark.parametrize("name", ["base.lock", "dev.lock"])
def test_lock_files_carry_hashes_and_no_addresses(name: str) -> None:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pins = [n for n, line in enumerate(lines) if re.match(r"[A-Za-z0-9]", line)]
    assert len(pins) > 40
    for number in pins:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==[^ ]+", lines[number]), lines[number]
        assert "--hash=sha256:" in lines[number + 1], lines[number]
    assert not any("://" in line or "--index" in line or "--find-links" in line for line in lines)


def test_the_node_lock_carries_hashes_and_no_addresses() -> None:
    lock = (ROOT / "tests" / "node" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock


def test_the_default_install_has_no_torch() -> None:
    base = (ROOT / "requirements" / "base.lock").read_text()
    assert not re.search(r"^(torch|ultralytics|nvidia)", base, re.MULTILINE)


def test_no_tracked_file_is_large_or_names_a_place_of_one_machine() -> None:
    private = re.compile(rb"/(?:root|home|Users)/[A-Za-z.]+/")
    for path in tracked():
        if not path.exists():
            continue
        content = path.read_bytes()
        # a model that is shipped with its card may be larger
        assert len(content) < (12_000_000 if path.suffix == ".onnx" else 3_000_000), path
        if path.suffix not in {".png", ".woff2"} and path != Path(__file__):
            found = private.search(content)
            assert found is None, f"{path}: {found}"
