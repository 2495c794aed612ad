"""What rules of control charts are called by people."""

from __future__ import annotations

from dashboard.texts import Texts
from plant.charts import Rule


def rule_words(rule: Rule, t: Texts) -> str:
    """Return what a point that violates a rule makes, in words."""
    words = {
        Rule.BEYOND: t("beyond its limits"),
        Rule.RUN_9: t("nine in a row on one side of the centre"),
        Rule.RUN_8: t("eight in a row on one side of the centre"),
        Rule.TREND: t("six in a row rising or falling"),
        Rule.ALTERNATING: t("fourteen in a row going up and down"),
        Rule.TWO_OF_THREE: t("two of three beyond 2 sigma on one side"),
        Rule.FOUR_OF_FIVE: t("four of five beyond 1 sigma on one side"),
        Rule.STRATIFIED: t("fifteen in a row within 1 sigma"),
        Rule.MIXED: t("eight in a row outside 1 sigma on both sides"),
    }
    return words[rule]
