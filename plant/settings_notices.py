"""What ``[mail]``, ``[[receivers]]`` and ``[[notices]]`` in ``site.toml`` may say: who is told of which alarms, when and how."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from plant.strict import Strict

PriorityName = Literal["urgent", "high", "medium", "low"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,58}[A-Za-z0-9])?$")]
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _mail_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"'{value}' is no e-mail address; write name@example.com")
    return value


class MailSettings(Strict):
    """The one mail server that notices go out by."""

    host: Annotated[
        str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$", description="name or address of the mail server")
    ]
    port: Annotated[int, Field(ge=1, le=65535, description="587 for STARTTLS, 465 for TLS from the start")] = 587
    security: Annotated[Literal["starttls", "tls", "none"], Field(description="none needs allow_insecure and sends no password")] = (
        "starttls"
    )
    sender: Annotated[str, Field(description="the address that notices come from")]
    username: str | None = None
    password_file: Annotated[str | None, Field(description="file that holds the password, readable by its owner only")] = None
    ca_file: Annotated[str | None, Field(description="certificate authority of the server, where the system does not know it")] = None
    allow_insecure: Annotated[bool, Field(description="must be true for a connection without TLS")] = False
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0

    _sender = field_validator("sender")(_mail_address)

    @model_validator(mode="after")
    def _whole(self) -> MailSettings:
        if self.security == "none" and not self.allow_insecure:
            raise ValueError("security none needs 'allow_insecure = true'")
        if self.security == "none" and self.username is not None:
            raise ValueError("a password is not sent without TLS: give the connection 'starttls' or 'tls', or take out 'username'")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("give 'username' and 'password_file' together, or neither")
        return self


class ReceiverSettings(Strict):
    """Somebody who can be told: by a webhook, by e-mail, or both."""

    name: Name
    webhook: Annotated[str | None, Field(description="address that notices are posted to as JSON, https://...")] = None
    secret_file: Annotated[
        str | None, Field(description="file with the secret that signs what is posted (Standard Webhooks: whsec_... or any text)")
    ] = None
    ca_file: Annotated[str | None, Field(description="certificate authority of the webhook, where the system does not know it")] = None
    allow_insecure: Annotated[bool, Field(description="must be true for http:// to another machine")] = False
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    mail: Annotated[tuple[str, ...], Field(max_length=50, description="e-mail addresses")] = ()
    language: Annotated[Literal["en", "zh"], Field(description="language of the e-mails")] = "en"

    @field_validator("mail")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_mail_address(address) for address in value)

    @field_validator("webhook")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or not value.isascii() or any(c.isspace() or c < " " for c in value):
            raise ValueError(f"'{value}' is no address; write https://host/path")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address holds no password: sign by 'secret_file'")
        return value

    @model_validator(mode="after")
    def _some_way(self) -> ReceiverSettings:
        if self.webhook is None and not self.mail:
            raise ValueError("give 'webhook', 'mail', or both")
        if self.secret_file is not None and self.webhook is None:
            raise ValueError("'secret_file' signs what is posted to a webhook: there is none")
        parts = urlsplit(self.webhook or "")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.allow_insecure:
            raise ValueError("http:// to another machine can be read and changed on its way: use https://, or say 'allow_insecure = true'")
        return self


class EscalationSettings(Strict):
    """Who else is told when nobody acknowledged for so long."""

    after_minutes: Annotated[float, Field(gt=0, le=10_080)]
    to: Annotated[tuple[str, ...], Field(min_length=1)]


class NoticeSettings(Strict):
    """One rule: which alarms, to whom, when."""

    name: Name
    alarms: Annotated[str, Field(description="glob over alarm names: path of the signal below the site, a colon, the kind")] = "**"
    equipment: Annotated[str, Field(description="glob over equipment paths below the site")] = "**"
    priority: Annotated[PriorityName, Field(description="this and more urgent ones")] = "low"
    to: Annotated[tuple[str, ...], Field(min_length=1, description="names of receivers")]
    shifts: Annotated[tuple[str, ...], Field(description="only in these shifts of the equipment's calendar; empty: always")] = ()
    teams: Annotated[tuple[str, ...], Field(description="only while these teams are on shift; empty: always")] = ()
    after_seconds: Annotated[float, Field(ge=0, le=86_400, description="only when not acknowledged for so long")] = 0.0
    escalate: tuple[EscalationSettings, ...] = ()
    repeat_minutes: Annotated[float | None, Field(ge=1, le=10_080, description="tell again so often while nobody acknowledges")] = None
    say_end: Annotated[bool, Field(description="tell those who were told when it was acknowledged or is over")] = False
    digest_minutes: Annotated[
        float, Field(ge=1, le=1440, description="in a flood of alarms one notice so often tells of all but the urgent ones")
    ] = 5.0

    @model_validator(mode="after")
    def _rising(self) -> NoticeSettings:
        after = [self.after_seconds / 60, *(step.after_minutes for step in self.escalate)]
        if any(later <= before for before, later in pairwise(after)):
            raise ValueError("each step of 'escalate' must come later than the one before, the first later than 'after_seconds'")
        return self
