"""One's own account: who one is here, and a new password."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, html
from dash.development.base_component import Component
from pydantic import SecretStr

from dashboard.context import PageContext, current_context
from dashboard.drafts import PasswordDraft
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, facts, forms, full_name, notice
from dashboard.services import Services
from dashboard.texts import texts_of
from plant.errors import Rejected, Unavailable


def layout(context: PageContext) -> Component:
    """Return name and role, and the form for a new password."""
    t = texts_of(context.language)
    person = context.person
    content: list[Component] = [
        html.H1(t("Your account")),
        html.Div(
            facts(
                [(t("Name"), person.name), (t("Full name"), full_name(person.full_name, t) or NONE_SHOWN), (t("Role"), t(str(person.role)))]
            ),
            className="panel",
        ),
        html.H2(t("Change password")),
    ]
    if person.password_is_first:
        content.append(notice(t("Your password is still the one given at first. Choose one of your own.")))
    content.append(
        html.Div(
            className="panel",
            children=[
                html.Div(
                    className="field-row",
                    children=[
                        dmc.PasswordInput(id="password-old", label=t("Password now")),
                        dmc.PasswordInput(id="password-new", label=t("New password")),
                        dmc.PasswordInput(id="password-again", label=t("New password again")),
                        dmc.Button(t("Change password"), id="password-change", color="gray"),
                    ],
                ),
                html.Div(id="password-result"),
            ],
        )
    )
    return forms(context, content)


def register(app: PageApp, services: Services) -> None:
    """Change the password when asked."""

    @app.callback(
        Output("password-result", "children"),
        Input("password-change", "n_clicks"),
        State("password-old", "value"),
        State("password-new", "value"),
        State("password-again", "value"),
        prevent_initial_call=True,
    )
    def change(_clicks: int, old: str | None, new: str | None, again: str | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        if not old or not new:
            return notice(t("Fill in all three fields."), wrong=True)
        if new != again:
            return notice(t("The new passwords are not the same."), wrong=True)
        try:
            services.people.change_own_password(context.person, PasswordDraft(new=SecretStr(new), old=SecretStr(old)))
        except (Rejected, Unavailable, PermissionError) as error:
            return notice(t(str(error)), wrong=True)
        return notice(t("Your password is changed."))
