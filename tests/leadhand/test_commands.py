from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from leadhand.discovering import write
from plant.errors import Rejected

ROOT = Path(__file__).resolve().parents[2]
SITE = """
[site]
enterprise = "acme"
id = "north"

[[equipment]]
path = "welding/cell-1/robot-{1..3}"
kind = "welding_robot"

[[sources]]
protocol = "opcua"
id = "cell-1"
url = "opc.tcp://127.0.0.1:4840"
interval_ms = 30
security = { policy = "None", mode = "None" }
allow_insecure = true

[[signals]]
equipment = "welding/*/*"
name = "axis-{1..2}"
source = "cell-1"
address = "nsu=urn:acme;s={unit}.{signal}"
"""


def leadhand(*words: str | Path, given: str = "", home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    if home is not None:
        environment["XDG_DATA_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "leadhand", *map(str, words)],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def test_help_names_all_commands_with_examples_and_exit_codes() -> None:
    told = leadhand("--help")
    assert told.returncode == 0
    for word in ("demo", "up", "status", "check", "schema", "export", "replay", "discover", "people", "ledger", "Exit codes"):
        assert word in told.stdout


@pytest.mark.parametrize(
    "command",
    ["demo", "up", "status", "check", "schema", "replay", "discover", "ledger", "export samples", "people add", "people password"],
)
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    told = leadhand(*command.split(), "--help")
    assert told.returncode == 0
    assert "Example" in told.stdout
    assert f"leadhand {command}" in told.stdout


def test_check_tells_what_it_read_of_a_right_site(site: Path) -> None:
    told = leadhand("check", site)
    assert told.returncode == 0, told.stderr
    assert "acme/north" in told.stdout
    assert "3 work units" in told.stdout
    assert "source cell-1: opcua opc.tcp://127.0.0.1:4840, 6 signals, each 30 ms, 200 samples per second" in told.stdout
    assert "in all: 6 signals, 200 samples per second wanted" in told.stdout
    assert "allowed by name to connect without protection: cell-1" in told.stdout


def test_check_tells_all_problems_at_once_with_file_and_key(site: Path) -> None:
    site.write_text(SITE.replace("interval_ms = 30", 'interval_ms = "fast"\ncolour = "red"'))
    told = leadhand("check", site)
    assert told.returncode == 2
    assert told.stdout == ""
    lines = told.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{site}: sources[1].") for line in lines)
    assert any("colour: unknown key" in line for line in lines)
    assert any("interval_ms" in line and '"fast"' in line for line in lines)


def test_a_missing_file_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    told = leadhand("check", tmp_path / "none.toml")
    assert told.returncode == 2
    assert told.stderr == f"{tmp_path / 'none.toml'}: there is no such file\n"


def test_up_with_a_wrong_site_starts_nothing(site: Path, tmp_path: Path) -> None:
    site.write_text(SITE.replace('enterprise = "acme"', ""))
    told = leadhand("up", site, "--home", tmp_path / "home")
    assert told.returncode == 2
    assert "site.enterprise: is missing" in told.stderr
    assert not (tmp_path / "home").exists()


def test_schemas_are_json_that_names_the_keys() -> None:
    site = json.loads(leadhand("schema").stdout)
    assert set(site["properties"]) >= {"include", "site", "ingest", "equipment", "sources", "signals"}
    settings = json.loads(leadhand("schema", "--settings").stdout)
    assert set(settings["properties"]) == {"database", "mqtt", "dashboard", "storage"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[storage]\nbudget_gb = 0", "storage.budget_gb: Input should be greater than 0, not 0"),
        ("[storage]\nbudjet = 1", "storage.budjet: unknown key"),
        ('[database]\nurl = "mysql://x"', "database.url"),
        ("[dashboard\n", "not TOML"),
    ],
)
def test_wrong_settings_of_a_home_name_file_and_key(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "settings.toml").write_text(content)
    result = leadhand("ledger", "--home", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"{tmp_path / 'settings.toml'}: ")
    assert told in result.stderr


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[database]\nurl = "postgresql://me:secret@db/plant"')
    file.chmod(0o644)
    result = leadhand("ledger", "--home", tmp_path)
    assert result.returncode == 2
    assert f"chmod 600 {file}" in result.stderr
    assert "secret" not in result.stderr


def test_a_database_that_is_away_is_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[database]\nurl = "postgresql://127.0.0.1:1/none"')
    result = leadhand("ledger", "--home", tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("the database is away")
    assert "Traceback" not in result.stderr


def test_status_says_when_nothing_runs(tmp_path: Path) -> None:
    told = leadhand("status", home=tmp_path)
    assert told.returncode == 1
    assert "leadhand does not run on" in told.stdout
    as_json = json.loads(leadhand("status", "--json", home=tmp_path).stdout)
    assert as_json["running"] is False


def test_without_stored_data_there_is_a_sentence_on_what_to_do(tmp_path: Path) -> None:
    told = leadhand("export", "samples", "--signals", "**", "--csv", tmp_path / "out.csv", "--home", tmp_path / "home")
    assert told.returncode == 1
    assert "nothing is stored here yet" in told.stderr
    assert not (tmp_path / "out.csv").exists()


def test_export_wants_one_format_and_times_it_can_read(tmp_path: Path) -> None:
    both = leadhand("export", "samples", "--signals", "**", "--csv", "a", "--parquet", "b", "--home", tmp_path)
    assert (both.returncode, both.stderr) == (2, "say either --csv OUT or --parquet OUT\n")
    time = leadhand("export", "samples", "--signals", "**", "--csv", "a", "--from", "yesterday", "--home", tmp_path)
    assert time.returncode == 2
    assert "--from: 'yesterday' is no time" in time.stderr


@pytest.mark.parametrize("content", [None, b"\x30\x82\xff"], ids=["missing", "not text"])
def test_a_password_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    told = leadhand("discover", "opc.tcp://127.0.0.1:1", "--username", "me", "--password-file", file, "--home", tmp_path / "home")
    assert told.returncode == 1
    assert told.stderr.startswith(f"the password file {file} cannot be read: ")
    assert len(told.stderr.splitlines()) == 1


def test_a_proposal_is_never_written_over_a_file_nor_lost_in_a_traceback(tmp_path: Path) -> None:
    out = tmp_path / "site.toml"
    write("first", out)
    with pytest.raises(Rejected, match="exists already"):
        write("second", out)
    assert out.read_text() == "first"
    with pytest.raises(Rejected, match="cannot be written: No such file or directory"):
        write("third", tmp_path / "none" / "site.toml")


def test_an_mqtt_replay_without_a_broker_says_what_is_missing(tmp_path: Path) -> None:
    told = leadhand("replay", tmp_path / "a.csv", "--via", "mqtt", "--home", tmp_path)
    assert told.returncode == 2
    assert "--mqtt-url" in told.stderr


def test_people_are_added_listed_and_let_in_by_a_link(tmp_path: Path) -> None:
    home = tmp_path / "home"
    weak = leadhand("people", "add", "li", "--home", home, given="short\n")
    assert weak.returncode == 1
    assert "at least 12 characters" in weak.stderr
    added = leadhand("people", "add", "li", "--role", "engineer", "--full-name", "Li Wei", "--home", home, given="correct-horse-battery\n")
    assert added.returncode == 0, added.stderr
    people = json.loads(leadhand("people", "list", "--json", "--home", home).stdout)
    assert [(person["name"], person["role"], person["full_name"]) for person in people] == [("li", "engineer", "Li Wei")]
    assert leadhand("people", "password", "li", "--home", home, given="another-good-one-7\n").returncode == 0
    link = leadhand("people", "link", "li", "--home", home)
    assert "/login?link=" in link.stdout
    nobody = leadhand("people", "password", "lo", "--home", home, given="another-good-one-7\n")
    assert (nobody.returncode, nobody.stderr) == (1, "there is no account 'lo'\n")
    assert home.stat().st_mode & 0o077 == 0


def test_the_ledger_of_a_span_by_minute_fails_when_one_minute_does_not_add_up(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "settings.toml").write_text(f'[database]\nurl = "{database_url}"')
    (tmp_path / "settings.toml").chmod(0o600)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO source (name, protocol, url) VALUES ('press', 'opcua', 'x')")
        line = "INSERT INTO ledger SELECT id, %s, %s, %s, 0, 0, 0, 0, 0, true, 10, '{}' FROM source"
        connection.execute(line, ["2026-11-22T06:00Z", 100, 100])
        # two minutes that are wrong by as much in opposite ways
        connection.execute(line, ["2026-11-22T06:01Z", 100, 90])
        connection.execute(line, ["2026-11-22T06:02Z", 100, 110])
    right = leadhand("ledger", "--since", "2026-11-22T06:00", "--until", "2026-11-22T06:01", "--minutes", "--json", "--home", tmp_path)
    assert right.returncode == 0, right.stderr
    assert [(one["minute_us"], one["expected"]) for one in json.loads(right.stdout)] == [(1_795_327_200_000_000, 100)]
    wrong = leadhand("ledger", "--since", "2026-11-22T06:00", "--until", "2026-11-22T06:03", "--source", "press", "--home", tmp_path)
    assert wrong.returncode == 1
    assert "300" in wrong.stdout
    assert leadhand("ledger", "--since", "yesterday", "--home", tmp_path).returncode == 2
    misspelt = leadhand("ledger", "--since", "2026-11-22T06:00", "--source", "pres", "--home", tmp_path)
    assert misspelt.returncode == 2
    assert "there is no source 'pres'; there is: press" in misspelt.stderr
