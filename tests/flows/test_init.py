"""`cartulary init`: every secret new and strong, nothing overwritten, no placeholder let through."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest
from dotenv import dotenv_values

from flows.init import EXAMPLE, SECRETS, STAFF, initialize
from services.errors import ConfigurationError
from services.settings import PREFIX, Settings


def read(path: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}


def test_every_secret_is_new_and_strong(tmp_path: Path) -> None:
    first, second = (read(initialize(tmp_path / name).path) for name in ("one.env", "two.env"))
    for name in SECRETS:
        assert len(first[name]) >= 20 and first[name] != second[name], name
        # Through shells, sed and URLs without harm.
        assert first[name].removeprefix("admin:").replace("_", "").isalnum(), name
    assert len({first[name] for name in SECRETS}) == len(SECRETS)


def test_the_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    initialize(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    initialize(path, people=["bob"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def test_a_second_time_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    initialize(path, domain="example.org")
    before = path.read_bytes()
    again = initialize(path, domain="other.example")
    assert path.read_bytes() == before
    assert not again.is_new and not again.added and not again.passwords


def test_what_an_older_version_lacks_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# mine\nDOMAIN=town.example\nREDIS_PASSWORD=keepthisoneofmyown42\nGRAFANA_PASSWORD=\nHTTPS_PORT=8443\n", encoding="utf-8"
    )
    done = initialize(path)
    values = read(path)
    assert (values["DOMAIN"], values["REDIS_PASSWORD"], values["HTTPS_PORT"]) == ("town.example", "keepthisoneofmyown42", "8443")
    assert len(values["GRAFANA_PASSWORD"]) == 40 and "TYK_SECRET" in done.added
    assert path.read_text(encoding="utf-8").startswith("# mine\n")
    names = [line.partition("=")[0] for line in path.read_text(encoding="utf-8").splitlines() if "=" in line and not line.startswith("#")]
    assert len([name for name in names if name.isupper()]) == len({name for name in names if name.isupper()})


@pytest.mark.parametrize(
    "value", ["changeme", "CHANGE_ME_please", "<password>", "password", "geoserver", "rustfsadmin", "qaIACxO6wMR3", "123456"]
)
def test_placeholders_are_refused_before_anything_is_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"GEOSERVER_PASSWORD={value}\nPREFECT_AUTH=admin:{value}\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"placeholders for PREFECT_AUTH, GEOSERVER_PASSWORD"):
        initialize(path)
    assert path.read_bytes() == before


def test_a_random_secret_is_no_placeholder(tmp_path: Path) -> None:
    """A run of letters that people write as a placeholder may stand in a secret by chance."""
    path = tmp_path / ".env"
    path.write_text("REDIS_PASSWORD=aXxXxb7TODOq9changeit4secretpassword\n", encoding="utf-8")
    assert read(initialize(path).path)["REDIS_PASSWORD"] == "aXxXxb7TODOq9changeit4secretpassword"


def test_each_person_has_a_password_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    passwords = dict(initialize(path, people=["alice", "bob"]).passwords)
    passwords |= initialize(path, people=["bob", "carol"]).passwords
    lines = dict(line.split(" ", 1) for line in read(path)[STAFF].splitlines())
    assert list(lines) == ["alice", "bob", "carol"] and len(set(passwords.values())) == 3
    for person, password in passwords.items():
        assert bcrypt.checkpw(password.encode(), lines[person].encode())
    with pytest.raises(ConfigurationError, match="cannot be a user's name"):
        initialize(path, people=["Eve; rm"])


def test_the_first_person_is_called_admin(tmp_path: Path) -> None:
    assert list(initialize(tmp_path / ".env").passwords) == ["admin"]


def test_the_embedded_mode_stays_embedded_beside_it(tmp_path: Path) -> None:
    """Settings of ours stand in the file as comments: a command on the host must not take the stack's for its own."""
    path = initialize(tmp_path / ".env").path
    assert not [name for name in read(path) if name.startswith(PREFIX)]
    assert Settings(_env_file=path) == Settings(_env_file=None)


def test_the_example_names_every_secret_and_gives_none(tmp_path: Path) -> None:
    example = read(EXAMPLE)
    assert {name for name in SECRETS} <= set(example)
    assert not any(example[name] for name in (*SECRETS, STAFF))


def test_the_command_shows_passwords_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from flows.cli import app; app()", "init", "--env", str(tmp_path / ".env"), "--json"]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout)
    assert done["is_new"] and list(done["passwords"]) == ["admin"]
    assert done["passwords"]["admin"] not in (tmp_path / ".env").read_text(encoding="utf-8")
