"""The keys that messages are signed with: one for each controller, in a file that only this process's account can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from plant.errors import SettingsError

_BYTES: Final = 32


class KeyFolder:
    """Keys by controller. A file ``NAME.key`` holds 64 hexadecimal digits; the controller's engineer is given them by hand, once.

    A key that is missing is made at random. To change one, put the new one into ``NAME.new.key`` at the controller first, then here: a
    controller may know two keys at a time, and the signature names the one it was made with.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bytes] = {}

    def key(self, controller: str) -> bytes:
        """Return the key of a controller; it is made where there is none. Raises SettingsError where others can read it, or it is none."""
        known = self._known.get(controller)
        if known is None:
            known = self._known[controller] = self._read(controller)
        return known

    def path(self, controller: str) -> Path:
        """Return where the key of a controller lies."""
        return self._folder / f"{controller}.key"

    def _read(self, controller: str) -> bytes:
        file = self.path(controller)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                _make(file)
            mode = file.stat().st_mode
            text = file.read_text(encoding="ascii").strip()
            key = bytes.fromhex(text)
        except OSError as error:
            raise SettingsError(f"{file}: the key of controller '{controller}' cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(f"{file}: is no key: 64 hexadecimal digits are expected") from error
        if stat.S_IMODE(mode) & 0o077:
            raise SettingsError(f"{file}: others than its owner can read this key; make a new one, and keep it with: chmod 600 {file.name}")
        if len(key) != _BYTES:
            raise SettingsError(f"{file}: is no key: 64 hexadecimal digits are expected, there are {len(text)}")
        return key


def _make(file: Path) -> None:
    """Make a key so that a kill at any moment leaves a whole one or none."""
    beside = file.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as made:
        made.write(secrets.token_hex(_BYTES) + "\n")
        made.flush()
        os.fsync(made.fileno())
    try:
        os.link(beside, file)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
