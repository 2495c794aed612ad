"""Write the JSON schemas of route sets, plans and messages to controllers into ``docs/schemas/``. A test compares them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from plant.answer_messages import answer_schema, heartbeat_schema, question_schema
from plant.delivery_messages import message_schema
from plant.design_changes import design_change_schema
from plant.nest_file import nest_problem_schema
from plant.network_file import network_schema
from plant.plan_file import plan_schema, problem_schema
from plant.recommendations import recommendations_schema
from plant.share_file import share_schema, shares_schema

FOLDER = ROOT / "docs" / "schemas"


def schemas() -> dict[str, dict[str, Any]]:
    """Return each schema by its file's name."""
    return {
        "network.schema.json": network_schema(),
        "recommendations.schema.json": recommendations_schema(),
        "design-change.schema.json": design_change_schema(),
        "plan-problem.schema.json": problem_schema(),
        "plan.schema.json": plan_schema(),
        "delivery.schema.json": message_schema(),
        "delivery-answer.schema.json": answer_schema(),
        "delivery-heartbeat.schema.json": heartbeat_schema(),
        "delivery-question.schema.json": question_schema(),
        "nest-problem.schema.json": nest_problem_schema(),
        "share-problem.schema.json": share_schema(),
        "shares.schema.json": shares_schema(),
    }


def text(schema: dict[str, Any]) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text(schema), encoding="utf-8")
