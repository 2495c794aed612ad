"""What other packages write in English is said in the reader's language."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dashboard.mishaps import told
from dashboard.sentences import SENTENCES, recognised
from dashboard.texts import texts_of

_PACKAGES = ("dashboard", "delivery", "ingest", "monitor", "optimizer", "plant", "storage")
_LATIN = re.compile(r"[A-Za-z]{2,}")


def _bare(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", text)


def _written() -> set[str]:
    """Every text that the packages hold, with {} for what differs."""
    found = set()
    for package in _PACKAGES:
        for file in (Path(__file__).parents[2] / package).rglob("*.py"):
            if file.name == "sentences.py":
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(_bare(node.value))
    return found


def test_each_sentence_is_one_that_some_package_still_writes() -> None:
    written = _written()
    assert [sentence for sentence in SENTENCES if _bare(sentence) not in written] == []


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_sentence_is_known_again_with_anything_in_its_braces(sentence: str) -> None:
    said = re.sub(r"\{\w+\}", "17", sentence)
    found = recognised(said)
    assert found is not None
    assert found[0] == sentence
    assert set(found[1].values()) <= {"17"}


@pytest.mark.parametrize("sentence", [s for s in SENTENCES if "'from'" not in s and "AI" not in s])
def test_no_word_of_ours_stays_english_in_chinese(sentence: str) -> None:
    assert _LATIN.findall(told(re.sub(r"\{\w+\}", "17", sentence), texts_of("zh"))) == []


def test_what_stands_in_the_braces_is_kept_as_it_is() -> None:
    zh, en = texts_of("zh"), texts_of("en")
    assert told("Samples of 'fabrication' are missing", zh) == "“fabrication”缺少采样值"
    assert told("Samples of 'fabrication' are missing", en) == "Samples of 'fabrication' are missing"
    assert told("there is no equipment '{0} <b>'", zh) == "没有设备“{0} <b>”"
    assert told("Bore is out of control (2 · P11)", zh) == "Bore 失控 (2 · P11)"
    assert told("costs 68 less per order than the current route (49.36 to 89.45).", zh).startswith("每个订单比现行路线节省 68")


def test_a_sentence_of_the_plant_is_said_as_the_plant_wrote_it() -> None:
    for sentence in ("Look at the chart: gauge the next part", "Pump 3 leaks (again)", "{x}", ""):
        assert told(sentence, texts_of("zh")) == sentence
