"""`cartulary init`: an .env whose every secret is made anew, and nothing that stands there already is changed."""

from __future__ import annotations

import os
import re
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import bcrypt
import typer
from dotenv import dotenv_values, set_key

from flows.console import JsonFlag, out, print_json
from flows.placeholder import is_placeholder
from services.errors import ConfigurationError
from services.gateway.base import PREFIX as KEY_PREFIX
from services.settings import PREFIX, PROJECT_ROOT

EXAMPLE = PROJECT_ROOT / ".env.example"
# Letters and digits alone: some images hand their secrets through a shell, through sed, or into a URL.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
# The passwords are random: the hash need not be slow, and whoever guesses at the door must not keep its processor busy.
COST = 10
FIRST_PERSON = "admin"
PERSON = re.compile(r"[a-z][a-z0-9._-]{0,31}")


def text() -> str:
    """A secret of 40 letters and digits: 238 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def _api_key() -> str:
    return f"{KEY_PREFIX}_{secrets.token_hex(6)}_{text()}"


# Every secret of the stack, and how one is made.
SECRETS: Mapping[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": text,
    "STATE_PASSWORD": text,
    "PREFECT_DATABASE_PASSWORD": text,
    "POSTGRES_EXPORTER_PASSWORD": text,
    "PREFECT_AUTH": lambda: f"admin:{text()}",
    "CLICKHOUSE_ADMIN_PASSWORD": text,
    "CLICKHOUSE_WRITER_PASSWORD": text,
    "CLICKHOUSE_DBT_PASSWORD": text,
    "CLICKHOUSE_GRAFANA_PASSWORD": text,
    "CLICKHOUSE_PLAY_PASSWORD": text,
    "CLICKHOUSE_BI_PASSWORD": text,
    "RUSTFS_ACCESS_KEY": lambda: text()[:20],
    "RUSTFS_SECRET_KEY": text,
    "REDIS_PASSWORD": text,
    "TYK_SECRET": text,
    "GATEWAY_SECRET": text,
    "PORTAL_API_KEY": _api_key,
    "FORM_API_KEY": _api_key,
    "METRICS_TOKEN": text,
    "POSTGIS_PASSWORD": text,
    "MAP_OWNER_PASSWORD": text,
    "MAP_PUBLIC_PASSWORD": text,
    "MAP_RESTRICTED_PASSWORD": text,
    "GEOSERVER_PASSWORD": text,
    "GRAFANA_PASSWORD": text,
    "CH_UI_SECRET": text,
    "NOMINATIM_PASSWORD": text,
    # Of the extras: Compose wants every one of them, whichever profiles run.
    "JUPYTER_TOKEN": text,
    "GEONODE_ADMIN_PASSWORD": text,
    "GEONODE_DATABASE_PASSWORD": text,
    "GEONODE_GEODATABASE_PASSWORD": text,
    "GEONODE_GEOSERVER_PASSWORD": text,
    "GEONODE_REDIS_PASSWORD": text,
    "GEONODE_SECRET_KEY": text,
    "GEONODE_OAUTH2_CLIENT_ID": text,
    "GEONODE_OAUTH2_CLIENT_SECRET": text,
}
STAFF = "STAFF_USERS"


@dataclass(frozen=True)
class Initialized:
    """What was written: the file, the names new in it, who left, and each new person's password, which nobody can ask for again."""

    path: Path
    is_new: bool
    added: tuple[str, ...]
    passwords: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


def initialize(
    path: Path, *, domain: str = "", people: Sequence[str] = (), leaving: Sequence[str] = (), example: Path = EXAMPLE
) -> Initialized:
    """Write `path` from the example with all secrets made anew, or add to it what it lacks; mode 600 either way.

    Nothing that has a value is changed, but that `leaving` are taken from the staff before `people` are added: who is both gets a new
    password. ConfigurationError says what is refused, before anything is written.
    """
    is_new = not path.exists()
    known = {} if is_new else {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    _refuse(known, path, domain)
    staff = _staying(known.get(STAFF, ""), leaving)
    if leaving and not (staff or people):
        raise ConfigurationError(f"{', '.join(leaving)}: then nobody of the staff would be left. Add somebody first, with --user NAME.")
    people = _new_people(staff, people)
    given = {name: make() for name, make in SECRETS.items() if not known.get(name)}
    if domain and not known.get("DOMAIN"):
        given["DOMAIN"] = domain
    passwords = {person: text()[:20] for person in people}
    if is_new:
        _write(path, _from_example(example.read_text(encoding="utf-8"), given))
    else:
        path.chmod(0o600)
        for name, value in given.items():
            set_key(path, name, value, quote_mode="never")
        given |= _append_missing(path, example.read_text(encoding="utf-8"))
    if people or leaving:
        lines = [*staff, *(f"{person} {_hash(password)}" for person, password in passwords.items())]
        # In single quotes neither Compose nor anybody else looks for variables in it: a hash is full of dollars.
        set_key(path, STAFF, "\n".join(lines), quote_mode="always")
    if people:
        given[STAFF] = ""
    path.chmod(0o600)
    return Initialized(path, is_new, tuple(given), passwords, tuple(dict.fromkeys(leaving)))


def _refuse(known: Mapping[str, str], path: Path, domain: str) -> None:
    if domain and (other := known.get("DOMAIN", domain)) != domain:
        raise ConfigurationError(f"DOMAIN is {other} already: change it in {path}.")
    wrong = [name for name in SECRETS if (value := known.get(name)) and is_placeholder(value)]
    if wrong:
        raise ConfigurationError(f"{path} holds placeholders for {', '.join(wrong)}: empty these lines and run `cartulary init` again.")


def _staying(staff: str, leaving: Sequence[str]) -> list[str]:
    """The lines of those who do not leave."""
    lines = [line for line in staff.splitlines() if line.strip()]
    names = dict.fromkeys(_person(line) for line in lines)
    if unknown := [person for person in leaving if person not in names]:
        raise ConfigurationError(f"{STAFF} has no {', '.join(unknown)}; it has {', '.join(names) or 'nobody'}.")
    return [line for line in lines if _person(line) not in leaving]


def _person(line: str) -> str:
    return line.split()[0]


def _new_people(staff: Sequence[str], wanted: Sequence[str]) -> list[str]:
    known = {_person(line) for line in staff}
    if strange := [person for person in wanted if not PERSON.fullmatch(person)]:
        raise ConfigurationError(
            f"{', '.join(strange)} cannot be a user's name: a small letter, then small letters, digits, '.', '_', '-'."
        )
    return [person for person in dict.fromkeys(wanted or ([] if known else [FIRST_PERSON])) if person not in known]


def _from_example(example: str, given: Mapping[str, str]) -> str:
    """The example with its empty secrets filled, and our own settings as comments: the stack has its own defaults for them."""
    lines = []
    for line in example.splitlines():
        name = line.partition("=")[0]
        if name in given:
            line = f"{name}={given[name]}"
        elif line.startswith(PREFIX):
            line = f"# {line}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _append_missing(path: Path, example: str) -> dict[str, str]:
    """Add the stack's variables that a file of an older version does not know yet, with their defaults."""
    known = dotenv_values(path, interpolate=False)
    pairs = (line.split("=", 1) for line in example.splitlines() if re.match(r"[A-Z]\w*=", line) and not line.startswith(PREFIX))
    missing = {name: value for name, value in pairs if name not in known}
    if missing:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n# New in this version: .env.example says what they are for.\n")
            file.writelines(f"{name}={value}\n" for name, value in missing.items())
    return missing


def _write(path: Path, content: str) -> None:
    """Nobody else may read it, not even for the moment in which it is written."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    partial.replace(path)


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def init(
    domain: Annotated[str, typer.Option(help="The host name of the stack, example.org (default: localhost).")] = "",
    user: Annotated[list[str], typer.Option(help="A person of the staff; may be repeated, also later.")] = [],  # noqa: B006
    remove_user: Annotated[list[str], typer.Option(help="Who leaves; may be repeated. With the same --user: a new password.")] = [],  # noqa: B006
    env: Annotated[Path, typer.Option(help="The file.")] = Path(".env"),
    as_json: JsonFlag = False,
) -> None:
    """Write .env with generated secrets, or add what it lacks; but for people who leave, what stands there is never changed."""
    done = initialize(env, domain=domain, people=user, leaving=remove_user)
    if as_json:
        print_json(done)
        return
    out.print(f"{done.path}: {'written' if done.is_new else f'{len(done.added)} variables added' if done.added else 'complete already'}")
    for person in done.removed:
        out.print(f"  {person}: removed", highlight=False)
    for person, password in done.passwords.items():
        out.print(f"  {person}: {password}   (shown once; for the portal and the staff's tools)", highlight=False, soft_wrap=True)
    out.print("Next: cartulary doctor --stack, then docker compose up -d --wait")
