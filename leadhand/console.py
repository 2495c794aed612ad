"""What a person sees of a start, a crash, a stop: one line at each edge, on standard error, so that standard output stays data."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console as RichConsole
from rich.status import Status


class Console:
    """Lines for people; a turning sign while they wait, if they sit at a terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._rich = RichConsole(stderr=True, highlight=False, quiet=quiet, soft_wrap=True)
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.waiting(None)

    @property
    def width(self) -> int:
        """Columns that a line of text may have."""
        return self._rich.width

    def waiting(self, text: str | None) -> None:
        """Show what is waited for; None ends it."""
        if not self._rich.is_terminal:
            return
        if text is None:
            if self._status is not None:
                self._status.stop()
            self._status = None
        elif self._status is None:
            self._status = self._rich.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def said(self, text: str) -> None:
        """Print one line."""
        self._rich.print(text, markup=False)

    def good(self, text: str) -> None:
        """Print one line about something that has come to be as it should."""
        self._rich.print(f"[green]✓[/green] {_plain(text)}")

    def trouble(self, text: str) -> None:
        """Print one line about something a person should know of."""
        self._rich.print(f"[yellow]![/yellow] {_plain(text)}")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
