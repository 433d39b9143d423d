"""`cartulary init`: every secret new and strong, nothing overwritten, no placeholder let through."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bcrypt
import pytest
from dotenv import dotenv_values

from flows.init import EXAMPLE, SECRETS, STAFF, initialize
from services.errors import ConfigurationError
from services.settings import PREFIX, PROJECT_ROOT, Settings


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
    again = initialize(path, domain="example.org")
    assert path.read_bytes() == before
    assert not again.is_new and not again.added and not again.passwords


def test_another_domain_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    initialize(path)
    assert initialize(path, domain="a.example").added == ("DOMAIN",)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"^DOMAIN is a\.example already: change it in .*\.env\.$"):
        initialize(path, domain="b.example", people=["bob"])
    assert path.read_bytes() == before


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


@pytest.mark.parametrize("value", ["CHANGE_ME_please", "geoserver", "minioadmin"])
def test_placeholders_are_refused_before_anything_is_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"GEOSERVER_PASSWORD={value}\nPREFECT_AUTH=admin:{value}\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"placeholders for PREFECT_AUTH, GEOSERVER_PASSWORD"):
        initialize(path)
    assert path.read_bytes() == before


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


def names(path: Path) -> list[str]:
    return [line.split()[0] for line in read(path)[STAFF].splitlines()]


def test_who_leaves_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    initialize(path, people=["alice", "ben", "carol"])
    before = read(path)
    path.chmod(0o644)
    done = initialize(path, leaving=["ben"])
    assert (done.removed, done.added, done.passwords) == (("ben",), (), {})
    assert names(path) == ["alice", "carol"] and stat.S_IMODE(path.stat().st_mode) == 0o600
    after = read(path)
    assert set(after[STAFF].splitlines()) < set(before.pop(STAFF).splitlines())
    assert {name: after[name] for name in before} == before
    # What stands behind them is not torn: neither by the new lines nor by fewer of them.
    assert path.read_text(encoding="utf-8").count(STAFF) == EXAMPLE.read_text(encoding="utf-8").count(STAFF)


@pytest.mark.parametrize(
    ("leaving", "people", "said"),
    [(["dora"], [], "no dora; it has alice, ben"), (["alice", "ben"], [], "alice, ben: then nobody"), (["ben"], ["Eve; rm"], "cannot be")],
)
def test_who_cannot_leave(tmp_path: Path, leaving: Sequence[str], people: Sequence[str], said: str) -> None:
    path = tmp_path / ".env"
    initialize(path, people=["alice", "ben"])
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=said):
        initialize(path, leaving=leaving, people=people)
    assert path.read_bytes() == before
    with pytest.raises(ConfigurationError, match="no ben; it has nobody"):
        initialize(tmp_path / "none", leaving=["ben"])
    assert not (tmp_path / "none").exists()


def test_who_forgot_gets_a_new_password(tmp_path: Path) -> None:
    """Also the only one of the staff."""
    path = tmp_path / ".env"
    old = initialize(path, people=["ben"]).passwords["ben"]
    new = initialize(path, leaving=["ben"], people=["ben"]).passwords["ben"]
    assert names(path) == ["ben"] and new != old
    assert bcrypt.checkpw(new.encode(), read(path)[STAFF].split()[1].encode())


def test_git_keeps_every_env_out_but_those_that_hold_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes((PROJECT_ROOT / ".gitignore").read_bytes())
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    files = [".env", ".env.old", ".env.partial", ".env.sops.partial", ".env.example", ".env.sops", ".sops.yaml"]
    done = subprocess.run(["git", "check-ignore", *files], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == files[:4]


def test_all_secrets_at_once_are_those_that_the_page_empties(tmp_path: Path) -> None:
    """The page's own command: in an emergency nobody looks whether it forgets one, or takes the key of a provider along."""
    path = initialize(tmp_path / ".env", people=["anna", "ben"]).path
    with path.open("a", encoding="utf-8") as file:
        file.write("ALERT_SMTP_PASSWORD=theirs\nCARTULARY_VISION__API_KEY=theirs\n")
    before = read(path)
    (command,) = re.findall(r"^sed -i -E .* \.env$", (PROJECT_ROOT / "docs/secrets.md").read_text(encoding="utf-8"), re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    after = read(path)
    changed = {name for name in before if before[name] != after[name]}
    # These two are changed on GeoNode's pages and by a new import: emptied, they would be wrong until then.
    assert changed == set(SECRETS) - {"GEONODE_ADMIN_PASSWORD", "NOMINATIM_PASSWORD"}
    assert not any(after[name] for name in changed)
    assert set(initialize(path).added) == changed


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
    more = [*command[:-1], "--user", "ben", "--remove-user", "admin"]
    shown = subprocess.run(more, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "admin: removed" in shown and names(tmp_path / ".env") == ["ben"]
