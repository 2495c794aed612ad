"""``leadhand import orders``: what would change is shown first, and the same file again does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leadhand.__main__ import app
from optimizer.files import write_products
from plant.errors import SettingsError
from plant.network_file import network_json
from tests.optimizer.works import network, products


def run(home: Path, *words: str) -> Result:
    done = CliRunner().invoke(app, [*words, "--home", str(home)])
    if isinstance(done.exception, SettingsError):
        raise done.exception
    return done


def test_orders_come_in_by_command_with_their_changes_told(tmp_path: Path, database_url: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(f'[database]\nurl = "{database_url}"\n')
    (home / "settings.toml").chmod(0o600)
    (tmp_path / "network.json").write_text(json.dumps(network_json(network())))
    write_products(tmp_path / "products.csv", products())
    file = tmp_path / "orders.csv"
    file.write_text("order,product,quantity,due\n4711,EX-1,2,2027-01-31\n4712,EX-2,,\n")
    assert "no process network" in str(run(home, "import", "orders", str(file)).exception)
    for noun, name in (("network", "network.json"), ("products", "products.csv")):
        run(home, "import", noun, str(tmp_path / name))
    assert "2 orders would be added; nothing was written" in run(home, "import", "orders", str(file), "--dry-run").output
    assert "2 orders added" in run(home, "import", "orders", str(file), "--by", "erp").output
    assert "2 were there already" in run(home, "import", "orders", str(file)).output
    file.write_text("order,product,quantity,due\n4711,EX-1,3,2027-01-31\n")
    changed = run(home, "import", "orders", str(file), "--dry-run").output
    assert "order 4711: quantity 2 -> 3" in changed
    assert "1 changed; nothing was written" in changed
    file.write_text("order,product,quantity,due\n4713,EX-77,1,\n")
    with pytest.raises(SettingsError, match=r"row 2, column 'product': there is no product 'EX-77'"):
        run(home, "import", "orders", str(file))
