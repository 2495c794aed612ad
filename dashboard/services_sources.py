"""Sources: how they do, what a server offers, and settings files of their own that are checked whole before they are written."""

from __future__ import annotations

import asyncio
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard import viewing
from dashboard.context import Person
from dashboard.drafts import DiscoverDraft, SourceDraft
from dashboard.hub import Hub
from dashboard.services_people import require
from dashboard.site_files import INCLUDE_LINE, NOTE, draft_to_toml, draft_without_secrets, read_draft, settings_files, write_durable
from dashboard.views import CheckView, FoundVariableView, SourceView
from plant.clock import Clock
from plant.equipment import SEGMENT
from plant.errors import Rejected, SettingsError
from plant.settings import OpenProtocolSourceSettings
from plant.site import load_site
from storage import audit
from storage.database import Pool
from storage.people import Role, Scope

if TYPE_CHECKING:
    from protocols.opcua_client import OpcUaEndpoint

_FOLDER = "sources.d"
_DISCOVER_SECONDS = 60.0


class SourceService:
    """Sources made here stand each in ``sources.d/<id>.toml`` beside the site file; those written by hand are shown, never touched."""

    def __init__(self, pool: Pool, hub: Hub, clock: Clock, *, site_file: Path, home: Path) -> None:
        self._pool, self._hub, self._clock = pool, hub, clock
        self._site_file, self._home = site_file.absolute(), home.absolute()
        self._folder = self._site_file.parent / _FOLDER

    def sources(self) -> list[SourceView]:
        """Return all sources by name with how they do. Raises Unavailable while the database was never read."""
        return viewing.sources(self._hub.last_read(), self._editable())

    def read(self, source: str) -> SourceDraft:
        """Return the settings of a source made here, without its password; Rejected for any other."""
        path = self._path(source)
        if not path.is_file():
            raise Rejected(f"'{source}' was not made here: its settings stand in a file written by hand")
        return read_draft(path)

    def discover(self, draft: DiscoverDraft) -> list[FoundVariableView]:
        """Return the variables an OPC UA server offers. Raises Unavailable or Rejected in the words of the connection."""
        if draft.security.policy == "None" and not draft.allow_insecure:
            raise Rejected("looking into a server without security needs 'allow_insecure'")
        if draft.security.policy == "None" and draft.password is not None:
            raise Rejected("a password is not sent over security policy None")
        from protocols import opcua_discovery  # costs a second and 40 MB that only who looks into a server should pay

        endpoint = self._endpoint(draft)

        async def look() -> list[opcua_discovery.FoundVariable]:
            return await asyncio.wait_for(opcua_discovery.discover(endpoint, draft.most), _DISCOVER_SECONDS)

        try:
            found = asyncio.run(look())
        except TimeoutError as error:
            raise Rejected(f"{draft.url}: looking took longer than {_DISCOVER_SECONDS:.0f} s: ask for fewer variables") from error
        return [
            FoundVariableView(
                v.address,
                v.browse_path,
                v.name,
                None if v.data_type is None else v.data_type.value,
                v.unit,
                None if v.range is None else viewing.number(v.range.low),
                None if v.range is None else viewing.number(v.range.high),
                v.description,
            )
            for v in found
        ]

    def check(self, draft: SourceDraft) -> CheckView:
        """Return what is wrong with a draft, read together with all other settings as it would stand; nothing is written."""
        try:
            content = draft_to_toml(draft, self._password_file(draft))
            return CheckView((), self._try(draft.source.id, content), content)
        except SettingsError as error:
            return CheckView(tuple(error.problems), 0, "")

    def save(self, who: Person, draft: SourceDraft) -> CheckView:
        """Write a source's file after checking all settings as they would stand. The ingest process takes it up by itself.

        Raises SettingsError with the problems, Rejected where a file written by hand already names the source.
        """
        require(who, Role.ENGINEER, Scope.SOURCES)
        path = self._path(draft.source.id)
        before = _for_audit(path)
        content = draft_to_toml(draft, self._password_file(draft))
        signals = self._try(draft.source.id, content)
        self._note(who, "source.save", draft.source.id, before, draft_without_secrets(draft))
        if draft.password is not None:
            secret = self._home / "secrets" / f"{draft.source.id}.password"
            secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durable(secret, draft.password.get_secret_value())
        self._prepare_folder()
        write_durable(path, content)
        return CheckView((), signals, content)

    def delete(self, who: Person, source: str) -> None:
        """Take out a source made here; its samples stay. Rejected for any other, SettingsError where other files need it."""
        require(who, Role.ENGINEER, Scope.SOURCES)
        path = self._path(source)
        before = _for_audit(path)
        if before is None:
            raise Rejected(f"'{source}' was not made here: take it out of the file that names it")
        self._try(source, None)
        self._note(who, "source.delete", source, before, None)
        self._prepare_folder()
        path.unlink()
        (self._home / "secrets" / f"{source}.password").unlink(missing_ok=True)

    # -- files -------------------------------------------------------------------------------------------------------

    def _path(self, source: str) -> Path:
        if not SEGMENT.match(source) or len(source) > 100:
            raise Rejected(f"'{source[:100]}' cannot be a source's id: letters, digits, and inner '-' or '_' only")
        return self._folder / f"{source}.toml"

    def _editable(self) -> frozenset[str]:
        return frozenset(path.stem for path in self._folder.glob("*.toml") if SEGMENT.match(path.stem))

    def _password_file(self, draft: SourceDraft) -> str | None:
        given = None if isinstance(draft.source, OpenProtocolSourceSettings) else draft.source.password_file
        return str(self._home / "secrets" / f"{draft.source.id}.password") if draft.password is not None else given

    def _prepare_folder(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        note = self._folder / "_about.toml"
        if not note.exists():
            write_durable(note, NOTE)
        content = self._site_file.read_text("utf-8")
        wanted = _with_include(content)
        if wanted != content:
            write_durable(self._site_file, wanted, mode=self._site_file.stat().st_mode & 0o777)

    def _try(self, source: str, content: str | None) -> int:
        """Return how many signals the source gives, all settings read as they would stand; raises SettingsError."""
        with tempfile.TemporaryDirectory(prefix="leadhand-check-") as folder:
            mirror = Path(folder).resolve()
            for file in settings_files(self._site_file):
                copy = mirror / file.path.relative_to(self._site_file.parent)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(file.content, "utf-8")
            candidate = mirror / _FOLDER / f"{source}.toml"
            candidate.parent.mkdir(exist_ok=True)
            (mirror / _FOLDER / "_about.toml").write_text(NOTE, "utf-8")
            if content is None:
                candidate.unlink(missing_ok=True)
            else:
                candidate.write_text(content, "utf-8")
            site_file = mirror / self._site_file.name
            site_file.write_text(_with_include(site_file.read_text("utf-8")), "utf-8")
            try:
                site = load_site(site_file)
            except SettingsError as error:
                raise SettingsError([p.replace(str(mirror), str(self._site_file.parent)) for p in error.problems]) from None
        return sum(1 for signal in site.signals if signal.source == source)

    def _endpoint(self, draft: DiscoverDraft) -> OpcUaEndpoint:
        from protocols import pki
        from protocols.opcua_client import OpcUaEndpoint

        secured = draft.security.policy != "None"
        uri = "urn:leadhand:client"
        certificate, key = pki.ensure_own_certificate(self._home / "pki" / "own", uri) if secured else (None, None)
        server = draft.security.server_certificate
        return OpcUaEndpoint(
            url=draft.url,
            policy=draft.security.policy,
            mode=draft.security.mode,
            username=draft.username,
            password=None if draft.password is None else draft.password.get_secret_value(),
            server_certificate=None if server is None else self._site_file.parent / server,
            trust=self._home / "pki" / "trusted",
            own_certificate=certificate,
            own_key=key,
            application_uri=uri,
        )

    def _note(self, who: Person, act: str, subject: str, previous: Any, next_: Any) -> None:
        with self._pool.connection() as connection:
            audit.add_audit(
                connection,
                time_us=self._clock.now_us(),
                actor=who.name,
                act=act,
                subject=subject,
                previous=previous,
                next_=next_,
                address=who.address,
            )


def _for_audit(path: Path) -> Any:
    """Return a source's file as JSON for the audit, None where there is none."""
    if not path.is_file():
        return None
    try:
        return draft_without_secrets(read_draft(path))
    except (SettingsError, Rejected):
        return {"file": path.read_text("utf-8", "replace")[:10_000]}


def _with_include(content: str) -> str:
    """Return a site file that includes ``sources.d``. Raises SettingsError where its ``include`` must be changed by hand."""
    include = tomllib.loads(content).get("include")
    if include is None:
        return INCLUDE_LINE + content
    if any(pattern in {f"{_FOLDER}/*.toml", f"{_FOLDER}/*", "**/*.toml"} for pattern in include):
        return content
    raise SettingsError(f"site.toml: include: add '{_FOLDER}/*.toml' to it, so that sources made here are read")
