"""Settings of the factory: what is in force, changes, their history.

A file is checked together with all others as it would stand, then put in place at once, or not at all.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.settings_parts import parts_of
from dashboard.settings_text import difference, holds_secret, with_limits, with_shift, without_secrets
from dashboard.site_files import SettingsText, read_settings, settings_files, write_durable
from dashboard.views_settings import (
    LimitRuleView,
    LimitsDraft,
    RestoreDraft,
    SettingsCheckView,
    SettingsDraft,
    SettingsFileView,
    SettingsPartView,
    SettingsSave,
    SettingsTextView,
    SettingsVersionView,
    ShiftDraft,
    ShiftRuleView,
)
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.settings import SiteFile
from plant.site import Site, load_site
from plant.site_problems import problems
from storage import audit
from storage.database import Connection, Pool
from storage.people import Role
from storage.settings_versions import (
    VersionKind,
    add_version,
    hold_versions,
    newest_content,
    read_version,
    read_versions,
)

_MOST_EFFECTS = 200


class SettingsService:
    """``who`` is the person asking; engineers only. Raises PermissionError, Rejected, SettingsError, Unavailable."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path, home: Path) -> None:
        self._pool, self._clock = pool, clock
        self._site_file, self._home = site_file.absolute(), home.absolute()
        self._folder = self._site_file.parent

    # -- what is in force --------------------------------------------------------------------------------------------

    def files(self, who: Person) -> list[SettingsFileView]:
        """Return the settings files of the factory, the first one first. What was changed by an editor is noted as a version."""
        require(who, Role.ENGINEER)
        texts = self._texts()
        with self._pool.connection() as connection, connection.transaction():
            hold_versions(connection)
            for name, text in texts.items():
                self._note_found(connection, name, text.content)
            newest = {version.file: version for version in reversed(read_versions(connection, most=1000))}
        views = []
        for name, content in ((name, text.content) for name, text in texts.items()):
            changed = (self._folder / name).stat().st_mtime_ns // 1000
            by = newest[name].actor if name in newest else ""
            views.append(SettingsFileView(name, len(content.splitlines()), changed, by, holds_secret(content)))
        return views

    def in_force(self, who: Person) -> tuple[list[SettingsPartView], list[LimitRuleView]]:
        """Return each piece of the settings in force, with file and line; and the rules of signals that are numbers, with their limits."""
        require(who, Role.ENGINEER)
        site, texts = load_site(self._site_file), self._texts()
        pieces = {name: parts_of(name, text, site) for name, text in texts.items()}
        rules = [rule for name, text in texts.items() for rule in _limit_rules(name, text, pieces[name])]
        found = [part for of_file in pieces.values() for part in of_file]
        own = self._home / "settings.toml"
        if own.is_file():
            return [*found, *parts_of("settings.toml", read_settings(own), None)], rules
        return found, rules

    def parts(self, who: Person) -> list[SettingsPartView]:
        """Return each piece of the settings in force, with file and line."""
        return self.in_force(who)[0]

    def limit_rules(self, who: Person) -> list[LimitRuleView]:
        """Return the rules of signals that are numbers, with their limits."""
        return self.in_force(who)[1]

    def read(self, who: Person, file: str) -> SettingsTextView:
        """Return what a file holds, passwords hidden."""
        require(who, Role.ENGINEER)
        content = self._text(file)
        return SettingsTextView(file, without_secrets(content), _digest(content), holds_secret(content))

    def shifts(self, who: Person) -> list[ShiftRuleView]:
        """Return the shifts of all calendars."""
        require(who, Role.ENGINEER)
        return [
            ShiftRuleView(name, number, calendar.name, calendar.equipment, shift.name, shift.begin, shift.end, shift.days)
            for name, text in self._texts().items()
            for number, calendar in enumerate(_as_settings(name, text).calendars, 1)
            for shift in calendar.shifts
        ]

    # -- changing ----------------------------------------------------------------------------------------------------

    def check(self, who: Person, draft: SettingsDraft) -> SettingsCheckView:
        """Return what is wrong with a file as it would stand, as ``leadhand check`` does, and what would change; nothing is written."""
        require(who, Role.ENGINEER)
        before = self._text(draft.file)
        wrong, effects = self._judge(draft.file, draft.content)
        return SettingsCheckView(draft.file, draft.content, wrong, difference(before, draft.content), effects)

    def limits_changed(self, who: Person, draft: LimitsDraft) -> SettingsCheckView:
        """Return the file with other limits of a rule, checked; nothing is written."""
        require(who, Role.ENGINEER)
        given = {name: getattr(draft, name) for name in ("low_low", "low", "high", "high_high")}
        limits = {name: int(value) if value.is_integer() else value for name, value in given.items() if value is not None}
        return self.check(who, SettingsDraft(file=draft.file, content=with_limits(self._text(draft.file), draft.rule, limits)))

    def shift_changed(self, who: Person, draft: ShiftDraft) -> SettingsCheckView:
        """Return the file with another begin, end and days of a shift, checked; nothing is written."""
        require(who, Role.ENGINEER)
        content = with_shift(self._text(draft.file), draft.calendar, draft.shift, begin=draft.begin, end=draft.end, days=draft.days)
        return self.check(who, SettingsDraft(file=draft.file, content=content))

    def save(self, who: Person, draft: SettingsSave) -> SettingsVersionView:
        """Put a file in place and return its version. Raises SettingsError with the problems, Rejected where it changed meanwhile."""
        return self._save(who, draft, VersionKind.SAVED)

    def restore(self, who: Person, version: int, draft: RestoreDraft) -> SettingsVersionView:
        """Put an earlier version in place again, checked as any draft; return the version that it becomes."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            old, content = read_version(connection, version)
        if content is None:
            raise Rejected("the file was taken away in this version: there is nothing to restore")
        save = SettingsSave(file=old.file, content=content, digest=draft.digest, note=draft.note)
        return self._save(who, save, VersionKind.RESTORED)

    def versions(self, who: Person, file: str | None = None) -> list[SettingsVersionView]:
        """Return the newest versions of a file or of all, the newest first."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            return [
                SettingsVersionView(v.id, v.file, v.time_us, v.actor, v.kind.value, v.note, v.bytes)
                for v in read_versions(connection, file)
            ]

    def version(self, who: Person, version: int) -> SettingsCheckView:
        """Return what a version holds, what is wrong with it today, and how it differs from the file as it is now."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            old, content = read_version(connection, version)
        return self.check(who, SettingsDraft(file=old.file, content=content or ""))

    def _save(self, who: Person, draft: SettingsSave, kind: VersionKind) -> SettingsVersionView:
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection, connection.transaction():
            hold_versions(connection)
            before = self._text(draft.file)
            if _digest(before) != draft.digest:
                raise Rejected("the file was changed meanwhile: load it again, and change it anew")
            if holds_secret(before) or holds_secret(draft.content):
                raise Rejected("this file holds a password: change it on the machine, or name a password_file")
            if before == draft.content:
                raise Rejected("nothing was changed")
            wrong, effects = self._judge(draft.file, draft.content)
            if wrong:
                raise SettingsError(list(wrong))
            self._note_found(connection, draft.file, before)
            version, now = self._keep(connection, who, draft, kind, before, effects)
            path = self._folder / draft.file
            write_durable(path, draft.content, path.stat().st_mode & 0o777)
        return SettingsVersionView(version, draft.file, now, who.name, kind.value, draft.note, len(draft.content.encode()))

    def _keep(
        self, connection: Connection, who: Person, draft: SettingsSave, kind: VersionKind, before: str, effects: tuple[str, ...]
    ) -> tuple[int, int]:
        now = self._clock.now_us()
        version = add_version(connection, file=draft.file, content=draft.content, time_us=now, actor=who.name, kind=kind, note=draft.note)
        lines = [line for line in difference(before, draft.content) if line.kind in {"in", "out"}]
        audit.add_audit(
            connection,
            time_us=now,
            actor=who.name,
            act=f"settings.{kind.value}",
            subject=draft.file,
            previous={"lines": [line.text for line in lines if line.kind == "out"][:100]},
            next_={
                "version": version,
                "note": draft.note,
                "lines": [line.text for line in lines if line.kind == "in"][:100],
                "effects": list(effects[:20]),
            },
            address=who.address,
        )
        return version, now

    # -- files -------------------------------------------------------------------------------------------------------

    def _texts(self) -> dict[str, SettingsText]:
        """Return what each settings file holds, by its path below the folder."""
        return {str(text.path.relative_to(self._folder)): text for text in settings_files(self._site_file)}

    def _text(self, file: str) -> str:
        """Return what one of the settings files holds; Rejected for any other file."""
        texts = self._texts()
        if file not in texts:
            raise Rejected("this is no settings file of the factory")
        return texts[file].content

    def _judge(self, file: str, content: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what is wrong with all settings as they would stand, and what comes and goes."""
        path = next(text.path for text in settings_files(self._site_file) if text.path == self._folder / file)
        if "\0" in content:
            return (f"{file}: holds the character NUL",), ()
        try:
            after = load_site(self._site_file, {path: content})
        except SettingsError as error:
            return tuple(self._short(one) for one in error.problems), ()
        wrong = tuple(self._short(one) for one in problems(after, self._site_file))
        try:
            before = load_site(self._site_file)
        except SettingsError:
            return wrong, ()  # what is there now is wrong, too: nothing to compare with
        return wrong, _effects(before, after)

    def _short(self, problem: str) -> str:
        return problem.replace(f"{self._folder}/", "")

    def _note_found(self, connection: Connection, file: str, content: str) -> None:
        """Add a version of a file that was changed by an editor, or is not known yet; files with passwords in them are not kept."""
        known, newest = newest_content(connection, file)
        if holds_secret(content) or (known and newest == content):
            return
        changed = (self._folder / file).stat().st_mtime_ns // 1000
        add_version(connection, file=file, content=content, time_us=changed, actor="", kind=VersionKind.FOUND)


def _effects(before: Site, after: Site) -> tuple[str, ...]:
    """Return what comes (+) and goes (-) by name."""
    old, new = _names(before), _names(after)
    return tuple([*(f"+ {name}" for name in sorted(new - old)), *(f"- {name}" for name in sorted(old - new))][:_MOST_EFFECTS])


def _names(site: Site) -> set[str]:
    return {*map(str, (node.id for node in site.equipment)), *(str(s.path) for s in site.signals), *(str(s.id) for s in site.sources)}


def _limit_rules(file: str, text: SettingsText, parts: list[SettingsPartView]) -> list[LimitRuleView]:
    """Return the rules of one file; ``parts``: its pieces."""
    views = []
    signals = [part for part in parts if part.kind == "signals"]
    for number, (rule, part) in enumerate(zip(_as_settings(file, text).signals, signals, strict=True), 1):
        if not rule.data_type.is_text:
            limits = rule.limits
            ends = (limits.low_low, limits.low, limits.high, limits.high_high)
            views.append(LimitRuleView(file, number, rule.equipment, rule.name, rule.unit, part.gives or 0, *ends))
    return views


def _as_settings(file: str, text: SettingsText) -> SiteFile:
    try:
        return SiteFile.model_validate(tomllib.loads(text.content) if text.tables is None else text.tables)
    except ValueError as error:  # of TOML or of a key
        raise SettingsError(f"{file}: {error}") from error


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
