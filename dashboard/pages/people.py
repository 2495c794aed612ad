"""People and tokens: who may log in as what, which programs may ask, and what was changed by whom."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component
from pydantic import SecretStr, ValidationError

from dashboard.context import PageContext, Person, current_context
from dashboard.drafts import AccountChange, AccountDraft, TokenDraft
from dashboard.page_app import PageApp
from dashboard.pages import people_screens
from dashboard.pages.parts import NONE_SHOWN, exports, forms, full_name, moment, notice, problems_of, state, table
from dashboard.pages.people_sessions import all_sessions, password_rules
from dashboard.services import Services
from dashboard.services_people import PeopleService
from dashboard.texts import Texts, texts_of
from dashboard.views import AccountView, AuditView, TokenView
from plant.errors import Rejected, Unavailable
from storage.people import Role, Scope

_REFUSED = (Rejected, Unavailable, ValidationError, PermissionError, ValueError)


def layout(context: PageContext, services: Services) -> Component:
    """Return accounts, tokens and the audit to an admin, a sentence to others."""
    t = texts_of(context.language)
    head = html.H1(t("People and tokens"))
    if not context.may(Role.ADMIN):
        return html.Div([head, notice(t("This page needs the role admin."))])
    return forms(
        context,
        [
            head,
            html.Div(id="people-result"),
            html.H2(t("Accounts")),
            html.Div(_accounts(services, context, t), id="people-accounts", className="panel"),
            html.H2(t("New account")),
            html.Div(
                className="panel field-row",
                children=[
                    dmc.TextInput(id="account-name", label=t("Name")),
                    dmc.TextInput(id="account-full-name", label=t("Full name")),
                    dmc.Select(
                        id="account-role",
                        label=t("Role"),
                        value=Role.VIEWER.value,
                        allowDeselect=False,
                        data=[{"value": role.value, "label": t(role.value)} for role in Role],
                    ),
                    dmc.PasswordInput(id="account-password", label=t("First password (none: by the provider)")),
                    dmc.Button(t("Add account"), id="account-add", color="gray"),
                    html.P(password_rules(t), className="quiet"),
                ],
            ),
            html.H2(t("Sessions")),
            html.Div(all_sessions(services, context, t), id="people-sessions", className="panel"),
            html.H2(t("Tokens for controllers and programs")),
            html.Div(_tokens(services, context, t), id="people-tokens", className="panel"),
            html.H2(t("New token")),
            html.Div(
                className="panel field-row",
                children=[
                    dmc.TextInput(id="token-name", label=t("For what")),
                    dmc.MultiSelect(id="token-scopes", label=t("Rights"), data=[scope.value for scope in Scope], value=[]),
                    dmc.TextInput(id="token-units", label=t("Work units, of a controller's token"), placeholder="welding/*, mes"),
                    dmc.NumberInput(id="token-days", label=t("Valid for days"), value=365, min=1, max=3660),
                    dmc.Button(t("Make token"), id="token-add", color="gray"),
                ],
            ),
            *people_screens.screens(services, context, t),
            html.H2(t("Changes")),
            html.Div(_audit(services, context, t), id="people-audit", className="panel"),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Add, change and take away when asked; each is checked and written down by the service."""
    people_screens.register(app, services)

    @app.callback(
        Output("people-result", "children"),
        Output("people-accounts", "children"),
        Output("people-tokens", "children"),
        Output("people-audit", "children"),
        Output("people-sessions", "children"),
        Input("account-add", "n_clicks"),
        Input("token-add", "n_clicks"),
        Input({"part": "account-act", "act": ALL, "name": ALL}, "n_clicks"),
        Input({"part": "token-revoke", "id": ALL}, "n_clicks"),
        Input({"part": "session-end", "id": ALL}, "n_clicks"),
        {
            "name": State("account-name", "value"),
            "full_name": State("account-full-name", "value"),
            "role": State("account-role", "value"),
            "password": State("account-password", "value"),
        },
        {
            "name": State("token-name", "value"),
            "scopes": State("token-scopes", "value"),
            "units": State("token-units", "value"),
            "days": State("token-days", "value"),
        },
        role=Role.ADMIN,
        prevent_initial_call=True,
    )
    def change(
        _add: int, _token: int, _act: list[int], _revoke: list[int], _end: list[int], account: dict[str, Any], token: dict[str, Any]
    ) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return (no_update,) * 5
        context = current_context()
        t = texts_of(context.language)
        try:
            said = _do(services, context, t, ctx.triggered_id, account, token)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), *((no_update,) * 4)
        lists = (_accounts, _tokens, _audit, all_sessions)
        return said, *(shown(services, context, t) for shown in lists)


def _do(services: Services, context: PageContext, t: Texts, asked: Any, account: dict[str, Any], token: dict[str, Any]) -> Component:
    who, people = context.person, services.people
    if asked == "account-add":
        password = SecretStr(account["password"]) if account["password"] else None
        draft = AccountDraft(
            name=account["name"] or "", full_name=account["full_name"] or "", role=Role(account["role"]), password=password
        )
        made = people.add_account(who, draft)
        return notice(t("Account {name} is made.", name=made.name))
    if asked == "token-add":
        scopes = tuple(Scope(scope) for scope in token["scopes"] or ())
        units = tuple(unit.strip() for unit in (token["units"] or "").split(",") if unit.strip())
        days = float(token["days"] or 0)
        new = people.issue_token(who, TokenDraft(name=token["name"] or "", scopes=scopes, valid_days=days, work_units=units))
        words = t("The token for {name}. It is shown this once; keep it now.", name=new.token.name)
        return html.Div([words, html.Pre(new.secret, className="shown")], className="notice", role="status")
    if asked["part"] == "account-act":
        return _act(people, who, asked["act"], asked["name"], t)
    if asked["part"] == "session-end":
        people.end_session(who, int(asked["id"]))
        return notice(t("The session is ended."))
    gone = people.revoke_token(who, int(asked["id"]))
    return notice(t("The token for {name} is revoked.", name=gone.name))


def _act(people: PeopleService, who: Person, act: str, name: str, t: Texts) -> Component:
    """Do what a button of an account says; return what is said then."""
    if act == "unlock":
        people.unlock(who, name)
        return notice(t("Account {name} may try again at once.", name=name))
    if act == "provider":
        people.let_in_by_provider(who, name)
        return notice(t("Account {name} logs in by the provider from now on, and has no password here.", name=name))
    now = next(each for each in people.accounts(who) if each.name == name)
    after = people.change_account(who, name, AccountChange(full_name=now.full_name, role=Role(now.role), disabled=not now.disabled))
    return notice(
        t("Account {name} is locked out.", name=after.name) if after.disabled else t("Account {name} may log in.", name=after.name)
    )


def _accounts(services: Services, context: PageContext, t: Texts) -> Component:
    names = (t("Name"), t("Full name"), t("Role"), t("State"), t("Logs in by"), t("Last login"), t("Since"), "")
    rows = [_account_row(each, context, t) for each in services.people.accounts(context.person)]
    return table([(name, False) for name in names], rows, caption=t("Accounts"), below=exports("/api/v1/accounts", t))


def _account_row(account: AccountView, context: PageContext, t: Texts) -> list[Any]:
    return [
        account.name,
        full_name(account.full_name, t) or NONE_SHOWN,
        t(account.role),
        _account_state(account, context, t),
        t("the provider") if account.by_provider else t("password"),
        moment(account.last_login_us, context.time_zone, seconds=False),
        moment(account.created_us, context.time_zone, seconds=False),
        "" if account.name == context.person.name else html.Div(_buttons(account, t), className="buttons"),
    ]


def _account_state(account: AccountView, context: PageContext, t: Texts) -> Component:
    if account.disabled:
        return state("stale", t("locked out"))
    if account.locked_until_us is not None:
        until = moment(account.locked_until_us, context.time_zone)
        return state("warning", t("too many wrong passwords, locked until {time}", time=until))
    return state("normal", t("may log in"))


def _buttons(account: AccountView, t: Texts) -> list[Component]:
    acts = {"switch": t("Let in") if account.disabled else t("Lock out")}
    acts |= {"unlock": t("Unlock now")} if account.locked_until_us is not None else {}
    acts |= {} if account.by_provider else {"provider": t("By the provider only")}
    return [
        dmc.Button(words, id={"part": "account-act", "act": act, "name": account.name}, variant="default", size="sm")
        for act, words in acts.items()
    ]


def _tokens(services: Services, context: PageContext, t: Texts) -> Component:
    heads = [(t("For what"), False), (t("Rights"), False), (t("Made by"), False), (t("Until"), False), (t("State"), False), ("", False)]
    rows = [_token_row(each, context, t) for each in services.people.tokens(context.person)]
    return table(heads, rows, caption=t("Tokens for controllers and programs"), below=exports("/api/v1/tokens", t), nothing=t("No tokens."))


def _token_row(token: TokenView, context: PageContext, t: Texts) -> list[Any]:
    revoked = token.revoked_us is not None
    button = dmc.Button(t("Revoke"), id={"part": "token-revoke", "id": token.id}, variant="default", size="sm")
    shown = state("stale", t("revoked")) if revoked else state("normal", t("valid"))
    until = moment(token.expires_us, context.time_zone, seconds=False)
    rights = ", ".join(token.scopes) + (f": {', '.join(token.work_units)}" if token.work_units else "")
    return [token.name, rights, token.created_by, until, shown, "" if revoked else button]


def _audit(services: Services, context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("Who"), False), (t("What"), False), (t("Of what"), False), (t("From address"), False)]
    entries: list[AuditView] = services.people.audit(context.person, 50)
    rows = [
        [
            moment(e.time_us, context.time_zone),
            e.actor,
            html.Span(e.act, lang="en"),
            html.Span(e.subject, className="wrap", lang="en"),
            e.address or NONE_SHOWN,
        ]
        for e in entries
    ]
    return table(heads, rows, caption=t("Changes"), nothing=t("Nothing was changed yet."))
