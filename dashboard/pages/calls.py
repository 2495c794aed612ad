"""Calls of people at stations, on the pages of equipment and on the overview: live, and answered where they are read."""

from __future__ import annotations

import json

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages.parts import also
from dashboard.texts import Texts
from storage.people import Role


def calls(context: PageContext, place: str, t: Texts, *, may_call: bool = False) -> Component:
    """Return the calls that are not done at a place and below; with ``may_call`` also the buttons that call somebody there.

    An empty place is the whole site. Nothing is seen of it where there are none and nobody may call.
    """
    told = {"place": place, "may": context.may(Role.INSPECTOR), "call": may_call}
    return html.Section(className="panel calls", hidden=True, **also(data_calls=json.dumps(told), aria_label=t("Calls")))
