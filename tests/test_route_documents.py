"""What docs/routes.md says of files is so: its examples are read, and the schemas are those of the program."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

from optimizer.files import read_history, read_products
from plant.network_file import load_network, parse_network
from plant.route_rules import route_problems

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLE = DOCS / "examples" / "routes"


def test_the_schemas_are_those_of_the_program() -> None:
    made = runpy.run_path(str(DOCS / "make_schemas.py"))
    for name, schema in made["schemas"]().items():
        assert (made["FOLDER"] / name).read_text(encoding="utf-8") == made["text"](schema), "run: python docs/make_schemas.py"


def test_the_example_is_a_whole_route_set() -> None:
    network = load_network(EXAMPLE / "network.json")
    products = read_products(EXAMPLE / "products.csv", network)
    history = read_history(EXAMPLE / "history.csv", network, products)
    assert set(products.ids) - {products.ids[code] for code in set(history.product.tolist())} == {"EX-15"}
    assert {network.alternatives[code].id for code in set(history.alternative.tolist())} == set(network.positions)
    for product in network.current:
        route = network.current_route(product)
        assert route is not None
        assert route_problems(network, products.product(product), route.alternatives) == []


def test_the_network_in_the_text_is_one() -> None:
    text = (DOCS / "routes.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(parse_network(block).alternatives) == 5


def test_the_text_names_all_keys_of_a_network() -> None:
    text = (DOCS / "routes.md").read_text(encoding="utf-8")
    schema = json.loads((DOCS / "schemas" / "network.schema.json").read_text(encoding="utf-8"))
    keys = set(schema["properties"]) | {key for piece in schema["$defs"].values() for key in piece.get("properties", {})}
    assert {key for key in keys if key not in text} == set()
