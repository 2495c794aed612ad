"""Nothing is said in one language only."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from dashboard.navigation import ENTRIES, GROUPS, TOUR
from dashboard.sentences import SENTENCES
from dashboard.share_words import SHARE_WORDS
from dashboard.texts import BROWSER_CONTEXT, LANGUAGES, Texts, catalogue_file, preferred_language, texts_of
from dashboard.views import SignalState
from plant.bolt_words import BOLT_REASONS
from plant.changeover_sets import FAULT_WORDS as CHANGEOVER_FAULTS
from plant.changeover_sets import KIND_WORDS as CHANGEOVER_KINDS
from plant.design_changes import EFFECT_WORDS
from plant.inspection_words import FRAME_REASONS, REFUSED_REASONS, WELD_REASONS
from plant.joint_words import CURVE_REASONS, FAULT_WORDS, JOINT_REASONS
from plant.ledger import GapReason
from plant.plan_reason_words import PLAN_REASONS
from plant.tightening import ERROR_NAMES
from storage.people import Role

DASHBOARD = Path(__file__).parents[2] / "dashboard"
_SPOKEN_STATES = (
    *("connecting", "connected", "away", "refused", "stopped", "silent"),
    *("starting", "running", "backing_off"),
    *("tier raw", "tier 1s", "tier 1m", "tier 1h"),
)


def said_in_python() -> set[str]:
    """What the pages say: the constants given to ``t(...)``, and the words of states, reasons and roles."""
    found = {*_SPOKEN_STATES, *(reason.value for reason in GapReason), *(role.value for role in Role), *ERROR_NAMES}
    found |= {*FRAME_REASONS.values(), *REFUSED_REASONS.values(), *WELD_REASONS.values(), *BOLT_REASONS.values()}
    found |= {*PLAN_REASONS.values(), *SHARE_WORDS, *SENTENCES}
    found |= {*CURVE_REASONS.values(), *JOINT_REASONS.values(), *FAULT_WORDS.values(), *EFFECT_WORDS.values()}
    found |= {*(group.title for group in GROUPS), *(entry.title for entry in (*ENTRIES.values(), TOUR))}
    found |= {*CHANGEOVER_FAULTS.values(), *CHANGEOVER_KINDS.values()}
    for file in DASHBOARD.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
            if (
                isinstance(node, ast.keyword)
                and node.arg == "wrong"
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                found.add(node.value.value)
    return found


def said_in_scripts() -> set[str]:
    """What the scripts say: the constants given to ``say(...)``, and the names of the spans."""
    found = {"1 h", "8 h", "24 h", "7 d"}
    for file in (DASHBOARD / "assets").glob("*.js"):
        found |= {text.replace('\\"', '"') for text in re.findall(r'lh\.say\("((?:[^"\\]|\\.)*)"', file.read_text(encoding="utf-8"))}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_said_stands_in_the_catalogue(language: str) -> None:
    with catalogue_file(language).open("rb") as file:
        catalogue = [(m.context, m.id, m.string) for m in read_po(file, locale=language) if m.id]
    plain = {key for context, key, text in catalogue if context is None and text}
    browser = {key for context, key, text in catalogue if context == BROWSER_CONTEXT and text}
    assert said_in_python() - plain == set()
    assert said_in_scripts() - browser == set()


def test_the_catalogue_holds_nothing_that_is_said_no_more() -> None:
    with catalogue_file("zh").open("rb") as file:
        catalogue = [(m.context, m.id) for m in read_po(file, locale="zh") if m.id]
    sources = "".join(f.read_text(encoding="utf-8") for folder in (DASHBOARD, DASHBOARD.parent / "storage") for f in folder.rglob("*.py"))
    assert {key for context, key in catalogue if context == BROWSER_CONTEXT} - said_in_scripts() == set()
    assert {key for context, key in catalogue if context is None and str(key) not in sources} - said_in_python() == set()


def test_a_translation_names_the_same_places_as_the_message() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    with catalogue_file("zh").open("rb") as file:
        wrong = [m.id for m in read_po(file, locale="zh") if m.id and places(str(m.id)) != places(str(m.string))]
    assert wrong == []


def test_each_signal_state_has_a_word_and_a_look_in_the_browser() -> None:
    script = (DASHBOARD / "assets" / "20_states.js").read_text(encoding="utf-8")
    looks = script[script.index("LOOKS = {") : script.index("};")]
    assert {state.value for state in SignalState} == set(re.findall(r"(\w+): \[", looks))


def test_what_the_browser_is_told_cannot_end_its_script_element() -> None:
    texts = Texts("en")
    texts._browser["x"] = "</script><script>alert(1)"
    assert "<" not in texts.for_browser()


def test_a_message_without_translation_is_said_in_english() -> None:
    assert texts_of("zh")("no such message {n}", n=3) == "no such message 3"


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [("zh", "en", "zh"), (None, "de,zh-CN;q=0.8,en;q=0.5", "zh"), ("xx", "fr", "en"), (None, None, "en"), ("en", "zh", "en")],
)
def test_the_language_chosen_counts_more_than_what_the_browser_asks_for(cookie: str | None, accepted: str | None, language: str) -> None:
    assert preferred_language(cookie, accepted) == language
