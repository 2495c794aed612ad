"""One's own account: who one is here, where one is logged in, and a new password."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component
from pydantic import SecretStr

from dashboard.context import PageContext, current_context
from dashboard.drafts import PasswordDraft
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, facts, forms, full_name, notice
from dashboard.pages.people_sessions import EVERY_OTHER, own_sessions, password_rules
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from plant.errors import Rejected, Unavailable


def layout(context: PageContext, services: Services) -> Component:
    """Return name and role, one's sessions, and the form for a new password."""
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
        html.H2(t("Your sessions")),
        html.Div(own_sessions(services, context, t), id="own-sessions", className="panel"),
    ]
    return forms(context, [*content, *(_password(context, t))])


def _password(context: PageContext, t: Texts) -> list[Component]:
    person = context.person
    content: list[Component] = [html.H2(t("Change password"))]
    if person.by_provider:
        return [*content, html.P(t("You log in by the provider of your company: your password is changed there."), className="panel")]
    if person.password_is_first:
        content.append(notice(t("Your password is still the one given at first. Choose one of your own.")))
    content.append(
        html.Div(
            className="panel",
            children=[
                html.P(password_rules(t), className="quiet"),
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
    return content


def register(app: PageApp, services: Services) -> None:
    """Change the password, and end sessions, when asked."""

    @app.callback(
        Output("own-sessions", "children"),
        Input({"part": "own-session-end", "id": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def end(_clicks: list[int]) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update
        context = current_context()
        t = texts_of(context.language)
        session = int(ctx.triggered_id["id"])
        try:
            if session == EVERY_OTHER:
                services.people.end_other_sessions(context.person)
            else:
                services.people.end_own_session(context.person, session)
        except (Rejected, Unavailable, PermissionError) as error:
            return [notice(t(str(error)), wrong=True), own_sessions(services, context, t)]
        return own_sessions(services, context, t)

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
