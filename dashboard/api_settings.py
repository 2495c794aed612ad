"""``/api/v1/settings``: settings of the factory: what is in force, changes, their history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from dashboard import views_settings as views
from dashboard.api import json_answer, person_of
from dashboard.services import Services
from dashboard.table_route import TableRoute

Number = Annotated[int, Path(ge=1, le=2**62)]
File = Annotated[str, Query(min_length=1, max_length=400, description="path below the folder of site.toml")]


def setting_routes(services: Services) -> APIRouter:
    """Return the routes that tell."""
    router = APIRouter(prefix="/api/v1/settings", tags=["settings"], route_class=TableRoute)
    settings = services.settings

    @router.get("/files", response_model=list[views.SettingsFileView], summary="Settings files of the factory")
    def files(request: Request) -> Response:
        return json_answer(settings.files(person_of(request)))

    @router.get("/parts", response_model=list[views.SettingsPartView], summary="Each piece of the settings in force, with file and line")
    def parts(request: Request) -> Response:
        return json_answer(settings.parts(person_of(request)))

    @router.get("/file", response_model=views.SettingsTextView, summary="What a file holds, passwords hidden")
    def file(request: Request, file: File) -> Response:
        return json_answer(settings.read(person_of(request), file))

    @router.get("/limits", response_model=list[views.LimitRuleView], summary="Rules of signals with their limits")
    def limits(request: Request) -> Response:
        return json_answer(settings.limit_rules(person_of(request)))

    @router.get("/shifts", response_model=list[views.ShiftRuleView], summary="Shifts of all calendars")
    def shifts(request: Request) -> Response:
        return json_answer(settings.shifts(person_of(request)))

    @router.get("/versions", response_model=list[views.SettingsVersionView], summary="Who changed which file when, the newest first")
    def versions(request: Request, file: Annotated[str | None, Query(max_length=400)] = None) -> Response:
        return json_answer(settings.versions(person_of(request), file))

    @router.get("/versions/{version}", response_model=views.SettingsCheckView, summary="A version, and how it differs from the file now")
    def version(request: Request, version: Number) -> Response:
        return json_answer(settings.version(person_of(request), version))

    return router


def setting_change_routes(services: Services) -> APIRouter:
    """Return the routes that change."""
    router = APIRouter(prefix="/api/v1/settings", tags=["settings"])
    settings = services.settings

    @router.post("/check", response_model=views.SettingsCheckView, summary="Check a file as it would stand; nothing is written")
    def check(request: Request, draft: views.SettingsDraft) -> Response:
        return json_answer(settings.check(person_of(request), draft))

    @router.post("/limits", response_model=views.SettingsCheckView, summary="The file with other limits of a rule; nothing is written")
    def limits_changed(request: Request, draft: views.LimitsDraft) -> Response:
        return json_answer(settings.limits_changed(person_of(request), draft))

    @router.post("/shifts", response_model=views.SettingsCheckView, summary="The file with another shift; nothing is written")
    def shift_changed(request: Request, draft: views.ShiftDraft) -> Response:
        return json_answer(settings.shift_changed(person_of(request), draft))

    @router.put("/file", response_model=views.SettingsVersionView, summary="Put a file in place, whole or not at all")
    def save(request: Request, draft: views.SettingsSave) -> Response:
        return json_answer(settings.save(person_of(request), draft))

    @router.post("/versions/{version}/restore", response_model=views.SettingsVersionView, summary="Put an earlier version in place again")
    def restore(request: Request, version: Number, draft: views.RestoreDraft) -> Response:
        return json_answer(settings.restore(person_of(request), version, draft))

    return router
