"""``/api/v1``: oneself, accounts and tokens."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from dashboard import views
from dashboard.api import json_answer, person_of
from dashboard.drafts import AccountChange, AccountDraft, PasswordDraft, TokenDraft
from dashboard.services import Services
from dashboard.table_route import TableRoute


def person_routes(services: Services) -> APIRouter:
    """Return the routes about oneself and other people."""
    router = APIRouter(prefix="/api/v1", tags=["people"], route_class=TableRoute)
    people = services.people

    @router.get("/me", summary="Who asks")
    def me(request: Request) -> Response:
        who = person_of(request)
        return json_answer(
            {
                "name": who.name,
                "full_name": who.full_name,
                "role": who.role,
                "scopes": sorted(who.scopes),
                "password_is_first": who.password_is_first,
            }
        )

    @router.put("/me/password", status_code=204, summary="Set one's own password; all one's sessions end")
    def own_password(request: Request, draft: PasswordDraft) -> Response:
        people.change_own_password(person_of(request), draft)
        return Response(status_code=204)

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
