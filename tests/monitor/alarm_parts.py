"""A site with alarms as tests of what follows them need it: the monitor's lines of the journal written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from plant.alarms import AlarmEvent, AlarmId, AlarmLife, AlarmState
from plant.site import Site, load_site
from storage.alarms import Entry, add_entries, last_seq, read_standings, register_alarms, write_standings
from storage.database import Connection

SITE = """
[site]
enterprise = "acme"
id = "north"
name = "Acme North"
time_zone = "Europe/Berlin"

[[equipment]]
path = "welding/cell-1/robot-{1..20}"

[[sources]]
protocol = "mqtt"
id = "robots"
url = "mqtt://127.0.0.1:1883"
allow_anonymous = true
topics = [{ filter = "acme/#" }]

[[signals]]
equipment = "welding/cell-1/*"
name = "current"
source = "robots"
address = "acme/{unit}/current"
unit = "A"
limits = { high = 200, high_high = 250 }
"""


@dataclass
class ManualClock:
    """A clock that a test moves."""

    us: int = 1_790_000_000_000_000

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6

    def sleep(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)


def site_with(folder: Path, more: str) -> Site:
    """A site with twenty robots, whose currents have two limits each, and more settings."""
    file = folder / "site.toml"
    file.write_text(SITE + more)
    return load_site(file)


def alarm(robot: int, kind: str = "high") -> AlarmId:
    return AlarmId(f"acme/north/welding/cell-1/robot-{robot}/current:{kind}")


@dataclass
class Journal:
    """Writes lines of the journal and the standings that go with them, as the monitor does."""

    connection: Connection
    site: Site
    clock: ManualClock
    numbers: dict[AlarmId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        units = {signal.path: signal.unit for signal in self.site.signals}
        definitions = [(one, units.get(one.signal, "")) for one in self.site.alarms]
        self.numbers = register_alarms(self.connection, str(self.site.path), definitions, self.clock.us)

    def write(self, which: AlarmId, after: AlarmState, event: AlarmEvent, *, who: str = "", reason: str = "") -> None:
        """An alarm changes its state now."""
        before = read_standings(self.connection, alarms=[which])[0]
        seq = last_seq(self.connection) + 1
        active = after in {AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED}
        entry = Entry(seq, which, self.clock.us, self.clock.us, event, before.state, after, active, 231.5, None, 200.0, who, reason)
        shelved = after is AlarmState.SHELVED
        annunciation = AlarmState.NORMAL if shelved else after
        life = AlarmLife(active, annunciation, shelved_until_us=self.clock.us + 3_600_000_000 if shelved else None)
        standing = replace(
            before,
            life=life,
            since_us=self.clock.us,
            active_since_us=self.clock.us,
            value=231.5,
            limit=200.0,
            who=who,
            reason=reason,
            seq=seq,
        )
        with self.connection.transaction():
            add_entries(self.connection, [entry], self.numbers)
            write_standings(self.connection, [standing])

    def rise(self, which: AlarmId) -> None:
        self.write(which, AlarmState.UNACKNOWLEDGED, AlarmEvent.ACTIVE)

    def acknowledge(self, which: AlarmId, who: str = "ann") -> None:
        self.write(which, AlarmState.ACKNOWLEDGED, AlarmEvent.ACKNOWLEDGE, who=who)
