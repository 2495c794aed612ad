"""``/api/v1``: oneself, accounts and tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from dashboard import views
from dashboard.api import json_answer, person_of
from dashboard.drafts import AccountChange, AccountDraft, PasswordDraft, TokenDraft
from dashboard.services import Services
from dashboard.table_route import TableRoute

Number = Annotated[int, Path(ge=1, le=2**62)]


def person_routes(services: Services) -> APIRouter:
    """Return the routes about oneself, and about sessions."""
    router = APIRouter(prefix="/api/v1", tags=["people"], route_class=TableRoute)
    people = services.people

    @router.get("/me", response_model=views.MeView, summary="Who asks")
    def me(request: Request) -> Response:
        who = person_of(request)
        return json_answer(views.MeView(who.name, who.full_name, who.role, sorted(who.scopes), who.password_is_first))

    @router.put("/me/password", status_code=204, summary="Set one's own password; all one's sessions end")
    def own_password(request: Request, draft: PasswordDraft) -> Response:
        people.change_own_password(person_of(request), draft)
        return Response(status_code=204)

    @router.get("/me/sessions", response_model=list[views.SessionView], summary="One's own sessions that hold now, the last used first")
    def own_sessions(request: Request) -> Response:
        return json_answer(people.own_sessions(person_of(request)))

    @router.delete("/me/sessions", response_model=views.EndedView, summary="End one's own sessions but the one that asks")
    def end_other_sessions(request: Request) -> Response:
        return json_answer(views.EndedView(people.end_other_sessions(person_of(request))))

    @router.delete("/me/sessions/{session}", status_code=204, summary="End a session of one's own")
    def end_own_session(request: Request, session: Number) -> Response:
        people.end_own_session(person_of(request), session)
        return Response(status_code=204)

    @router.get("/sessions", response_model=list[views.SessionView], summary="Everybody's sessions that hold now, the last used first")
    def sessions(request: Request) -> Response:
        return json_answer(people.sessions(person_of(request)))

    @router.delete("/sessions/{session}", status_code=204, summary="End anybody's session")
    def end_session(request: Request, session: Number) -> Response:
        people.end_session(person_of(request), session)
        return Response(status_code=204)

    return router


def account_routes(services: Services) -> APIRouter:
    """Return the routes about other people."""
    router = APIRouter(prefix="/api/v1", tags=["people"], route_class=TableRoute)
    people = services.people

    @router.get("/accounts", response_model=list[views.AccountView], summary="All accounts")
    def accounts(request: Request) -> Response:
        return json_answer(people.accounts(person_of(request)))

    @router.post("/accounts", response_model=views.AccountView, status_code=201, summary="Make an account")
    def add_account(request: Request, draft: AccountDraft) -> Response:
        return json_answer(people.add_account(person_of(request), draft), 201)

    @router.put("/accounts/{name}", response_model=views.AccountView, summary="Change role or name of an account, or close it")
    def change_account(request: Request, name: str, change: AccountChange) -> Response:
        return json_answer(people.change_account(person_of(request), name, change))

    @router.put("/accounts/{name}/password", status_code=204, summary="Set another person's password")
    def password(request: Request, name: str, draft: PasswordDraft) -> Response:
        people.set_password(person_of(request), name, draft)
        return Response(status_code=204)

    @router.post("/accounts/{name}/unlock", response_model=views.AccountView, summary="Forget wrong passwords: it may log in again at once")
    def unlock(request: Request, name: str) -> Response:
        return json_answer(people.unlock(person_of(request), name))

    @router.post("/accounts/{name}/provider", response_model=views.AccountView, summary="Take its password away: the provider lets it in")
    def by_provider(request: Request, name: str) -> Response:
        return json_answer(people.let_in_by_provider(person_of(request), name))

    return router


def right_routes(services: Services) -> APIRouter:
    """Return the routes about tokens of programs."""
    router = APIRouter(prefix="/api/v1", tags=["people"], route_class=TableRoute)
    people = services.people

    @router.get("/tokens", response_model=list[views.TokenView], summary="All tokens, without their secrets")
    def tokens(request: Request) -> Response:
        return json_answer(people.tokens(person_of(request)))

    @router.post("/tokens", response_model=views.NewTokenView, status_code=201, summary="Make a token; its secret is shown this once")
    def issue_token(request: Request, draft: TokenDraft) -> Response:
        return json_answer(people.issue_token(person_of(request), draft), 201)

    @router.delete("/tokens/{token}", response_model=views.TokenView, summary="Refuse a token from now on")
    def revoke_token(request: Request, token: int) -> Response:
        return json_answer(people.revoke_token(person_of(request), token))

    return router
