"""Sources: how each connection does and how it is protected; and adding one: discover, choose, check, save."""

from __future__ import annotations

import re
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import SecretStr, ValidationError

from dashboard.context import PageContext, current_context
from dashboard.drafts import DiscoverDraft, SourceDraft
from dashboard.page_app import PageApp
from dashboard.pages.health import real_time, source_state
from dashboard.pages.parts import NONE_SHOWN, age, also, duration, exports, forms, milliseconds, notice, problems_of, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import CheckView, FoundVariableView, SourceView
from plant.equipment import SEGMENT
from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings import EquipmentSettings, OpcUaSourceSettings, RangeSettings, SignalSettings
from plant.settings_opcua import OpcUaSecurity
from plant.signals import DataType
from storage.people import Role

_REFUSED = (SettingsError, ValidationError, Rejected, Unavailable, PermissionError)
_POLICIES = ("Basic256Sha256", "Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "None")
_PROTOCOLS = {"opcua": "OPC UA", "mqtt": "MQTT", "sparkplug": "Sparkplug B", "open_protocol": "Open Protocol"}
_GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--panel)', foregroundColor: 'var(--ink)', accentColor: 'var(--accent)',"
    " borderColor: 'var(--line)', browserColorScheme: 'inherit', fontFamily: 'inherit'})"
)
"""In the colours of the page, light or dark."""
_FORM = {
    "url": State("add-url", "value"),
    "policy": State("add-policy", "value"),
    "insecure": State("add-insecure", "checked"),
    "username": State("add-username", "value"),
    "password": State("add-password", "value"),
}
_PLACE = {
    "id": State("add-id", "value"),
    "equipment": State("add-equipment", "value"),
    "interval": State("add-interval", "value"),
    "chosen": State("add-grid", "selectedRows"),
}


def layout(context: PageContext, services: Services) -> Component:
    """Return the list of sources, and the steps of adding one to those who may."""
    t = texts_of(context.language)
    return forms(
        context,
        [
            html.H1(t("Sources")),
            html.Div(_list(services, t), id="sources-list", className="panel live"),
            html.H2(t("Add an OPC UA source")),
            _adding(t)
            if context.may(Role.ENGINEER)
            else notice(t("Adding a source needs the role engineer; you have the role {role}.", role=t(str(context.person.role)))),
            dcc.Store(id="sources-beat"),
            html.Div(**also(data_beat="sources-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list again with each beat; discover, check and save when asked."""

    @app.callback(Output("sources-list", "children"), Input("sources-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        return _list(services, texts_of(current_context().language))

    app.clientside(
        ClientsideFunction("leadhand", "withGrid"),
        Output("add-asked", "data"),
        Output("add-found", "children", allow_duplicate=True),
        Input("add-discover", "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("add-found", "children"),
        Output("add-variables", "children"),
        Output("add-choose", "className"),
        Input("add-asked", "data"),
        _FORM,
        role=Role.ENGINEER,
        prevent_initial_call=True,
        running=[(Output("add-discover", "loading"), True, False)],
    )
    def discover(_asked: int, form: dict[str, Any]) -> tuple[Any, Any, Any]:
        t = texts_of(current_context().language)
        try:
            found = services.sources.discover(_discovery(form))
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update, "hidden"
        return notice(t("{n} variables found. Choose what to read.", n=len(found))), _grid(found, t), "panel"

    @app.callback(
        Output("add-result", "children"),
        Output("add-save", "disabled"),
        Input("add-check", "n_clicks"),
        _FORM,
        _PLACE,
        role=Role.ENGINEER,
        prevent_initial_call=True,
        running=[(Output("add-check", "loading"), True, False)],
    )
    def check(_clicks: int, form: dict[str, Any], place: dict[str, Any]) -> tuple[Any, Any]:
        t = texts_of(current_context().language)
        try:
            result = services.sources.check(_draft(services, form, place))
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), True
        return _checked(result, t), bool(result.problems)

    @app.callback(
        Output("add-result", "children", allow_duplicate=True),
        Output("add-save", "disabled", allow_duplicate=True),
        Output("sources-list", "children", allow_duplicate=True),
        Input("add-save", "n_clicks"),
        _FORM,
        _PLACE,
        role=Role.ENGINEER,
        prevent_initial_call=True,
        running=[(Output("add-save", "loading"), True, False)],
    )
    def save(_clicks: int, form: dict[str, Any], place: dict[str, Any]) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        try:
            services.sources.save(context.person, _draft(services, form, place))
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), True, no_update
        return notice(t("Saved. It is read as soon as the ingest process has seen the new file.")), True, _list(services, t)


def _list(services: Services, t: Texts) -> Component:
    now_us = services.plant.clock().now_us
    heads = [
        (t("Source"), False),
        (t("State"), False),
        (t("Security"), False),
        (t("Signals"), True),
        (t("Requested"), True),
        (t("Granted"), True),
        (t("Achieved"), True),
        (t("Real-time priority"), False),
        (t("Last sample"), True),
        (t("Gateway"), False),
    ]
    rows = [_source_row(source, now_us, t) for source in services.sources.sources()]
    return table(heads, rows, caption=t("Sources"), below=exports("/api/v1/sources", t), nothing=t("No sources yet."))


def _source_row(source: SourceView, now_us: int, t: Texts) -> list[Any]:
    security = state("critical", t("insecure")) if source.insecure else html.Span(t("protected"), className="quiet")
    return [
        html.Div(
            [
                html.Div(source.id),
                html.Div(_PROTOCOLS.get(source.protocol, source.protocol), className="small quiet"),
                html.Div(source.url, className="small quiet wrap"),
            ]
        ),
        source_state(source, t),
        security,
        whole(source.signals),
        milliseconds(source.requested_us),
        milliseconds(source.granted_us),
        milliseconds(source.achieved_us),
        real_time(source, t),
        age(source.last_sample_us, now_us, t),
        _gateway(source, t),
    ]


def _gateway(source: SourceView, t: Texts) -> Component:
    """Return who reads a source, who would take over, and how often raw samples come where that is rare."""
    if source.gateway is None:
        return html.Div(NONE_SHOWN)
    content: list[Component] = [html.Div(source.gateway)]
    if not source.holds:
        content.append(html.Div(state("stale", t("cut off or stopped")), className="small"))
    if source.standby:
        content.append(html.Div(t("standing by: {names}", names=", ".join(source.standby)), className="small quiet"))
    if source.return_us is not None and source.return_us > 2_000_000:
        content.append(html.Div(t("raw samples each {span}", span=duration(source.return_us, t)), className="small quiet"))
    return html.Div(content)


def _adding(t: Texts) -> Component:
    return html.Div(
        [
            html.Ol([html.Li(t("Discover")), html.Li(t("Choose variables")), html.Li(t("Check")), html.Li(t("Save"))], className="steps"),
            html.Div(
                className="panel",
                children=[
                    html.Div(
                        className="field-row",
                        children=[
                            dmc.TextInput(
                                id="add-url", label=t("Address of the server"), placeholder="opc.tcp://192.168.0.10:4840", miw=320
                            ),
                            dmc.Select(
                                id="add-policy", label=t("Security policy"), data=list(_POLICIES), value=_POLICIES[0], allowDeselect=False
                            ),
                            dmc.TextInput(id="add-username", label=t("User (may be empty)"), **also(aria_label=t("User (may be empty)"))),
                            dmc.PasswordInput(id="add-password", label=t("Password")),
                            dmc.Checkbox(id="add-insecure", label=t("Allow a connection without security"), checked=False, mb=12),
                            dmc.Button(t("Discover"), id="add-discover", color="gray", variant="filled"),
                        ],
                    ),
                    html.Div(id="add-found"),
                ],
            ),
            _choosing(t),
            dcc.Store(id="add-asked"),
        ]
    )


def _choosing(t: Texts) -> Component:
    """Return room for what will be found, and the fields of the source that is to read some of it."""
    fields = [
        html.Div(
            className="field-row",
            style={"marginTop": "1rem"},
            children=[
                dmc.TextInput(id="add-id", label=t("Name of the source"), placeholder="welding-plc"),
                dmc.TextInput(id="add-equipment", label=t("Equipment (area/line/unit)"), placeholder="welding/cell-1/robot-1", miw=280),
                dmc.NumberInput(id="add-interval", label=t("Interval in ms"), value=30, min=1, max=3_600_000),
                dmc.Button(t("Check"), id="add-check", color="gray", variant="default"),
                dmc.Button(t("Save"), id="add-save", color="gray", variant="filled", disabled=True),
            ],
        ),
        html.Div(id="add-result"),
    ]
    return html.Div([html.Div(id="add-variables"), *fields], id="add-choose", className="hidden")


def _grid(found: list[FoundVariableView], t: Texts) -> Component:
    columns = [
        {"field": "name", "headerName": t("Name"), "filter": True},
        {"field": "path", "headerName": t("Place in the server"), "filter": True, "flex": 2},
        {"field": "type", "headerName": t("Data type"), "filter": True, "width": 130},
        {"field": "unit", "headerName": t("Unit"), "width": 100},
        {"field": "address", "headerName": t("Address"), "filter": True, "flex": 2},
    ]
    grid: Component = dag.AgGrid(
        id="add-grid",
        columnDefs=columns,
        rowData=[_row(variable, t) for variable in found],
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "flex": 1},
        dashGridOptions={
            "rowSelection": {"mode": "multiRow", "selectAll": "filtered", "isRowSelectable": {"function": "params.data.known"}},
            "localeText": {"noRowsToShow": t("Nothing found")},
            "theme": {"function": _GRID_THEME},
        },
        style={"height": 380},
    )
    return grid


def _row(variable: FoundVariableView, t: Texts) -> dict[str, Any]:
    return {
        "id": variable.address,
        "name": variable.name,
        "path": variable.browse_path,
        "type": variable.data_type or t("cannot be stored"),
        "known": variable.data_type is not None,
        "unit": variable.unit,
        "address": variable.address,
        "low": variable.range_low,
        "high": variable.range_high,
        "about": variable.description,
    }


def _security(form: dict[str, Any]) -> OpcUaSecurity:
    return OpcUaSecurity(policy=form["policy"], mode="None" if form["policy"] == "None" else "SignAndEncrypt")


def _discovery(form: dict[str, Any]) -> DiscoverDraft:
    return DiscoverDraft(
        url=(form["url"] or "").strip(),
        security=_security(form),
        allow_insecure=bool(form["insecure"]),
        username=form["username"] or None,
        password=SecretStr(form["password"]) if form["password"] else None,
    )


def _draft(services: Services, form: dict[str, Any], place: dict[str, Any]) -> SourceDraft:
    """Return the draft that the form means. Raises ValidationError that names what is wrong."""
    source_id = (place["id"] or "").strip()
    unit = (place["equipment"] or "").strip().strip("/")
    source = OpcUaSourceSettings(
        protocol="opcua",
        id=source_id,
        url=(form["url"] or "").strip(),
        interval_ms=place["interval"] or 0,
        security=_security(form),
        allow_insecure=bool(form["insecure"]),
        username=form["username"] or None,
    )
    known = {node.id for node in services.plant.equipment()}
    whole_path = f"{services.plant.site().path}/{unit}"
    equipment = () if whole_path in known else (EquipmentSettings(path=unit),)
    return SourceDraft(
        source=source,
        equipment=equipment,
        signals=tuple(_signals(place["chosen"] or [], unit, source_id)),
        password=SecretStr(form["password"]) if form["password"] else None,
    )


def _signals(rows: list[dict[str, Any]], unit: str, source_id: str) -> list[SignalSettings]:
    taken: set[str] = set()
    signals = []
    for row in rows:
        name = segment_of(row["name"], taken)
        taken.add(name)
        span = (
            None
            if row["low"] is None or row["high"] is None or row["low"] >= row["high"]
            else RangeSettings(low=row["low"], high=row["high"])
        )
        signals.append(
            SignalSettings(
                equipment=unit,
                name=name,
                source=source_id,
                address=row["address"],
                data_type=DataType(row["type"]),
                unit=row["unit"] or "",
                range=span,
                description=row["about"] or "",
            )
        )
    return signals


def segment_of(name: str, taken: set[str]) -> str:
    """Return a legal signal name made from a server's name, unlike those taken: other characters become ``-``."""
    made = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_") or "signal"
    if not SEGMENT.match(made):
        made = "signal"
    number, unique = 2, made
    while unique in taken:
        unique, number = f"{made}-{number}", number + 1
    return unique


def _checked(result: CheckView, t: Texts) -> Component:
    if result.problems:
        return notice(list(result.problems), wrong=True)
    return html.Div(
        [
            notice(t("No problem found: {n} signals. Save to start reading.", n=result.signals)),
            html.Details([html.Summary(t("The file that will be written")), html.Pre(result.toml, className="shown")]),
        ]
    )
