"""The map mirror and whatever else people keep in its database, into one file and back, with the rights of its readers."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from gis.mirror import open_mirror
from gis.schema import prepare
from gis.tables import PUBLIC, RESTRICTED
from services.backup.contents import Contents
from services.settings import PostgisSettings
from services.state.postgres_dump import EXTENSIONS, PUBLIC_SCHEMA, Connection, connected, contents, restore, save_database

SETTING = "CARTULARY_POSTGIS__URL"
# The mirror's own: a copy of gold, which the next sync would make anew.
OWN_SCHEMAS = (str(PUBLIC.schema), str(RESTRICTED.schema), "map_mirror")
# Schemas of ours and of people; those of extensions come with the extension, and their owner may be somebody else.
SCHEMAS = (
    "select nspname from pg_namespace where pg_has_role(nspowner, 'usage') and nspname not like 'pg\\_%' "
    "and nspname <> 'information_schema' "
    "and not exists (select 1 from pg_depend where classid = 'pg_namespace'::regclass and objid = pg_namespace.oid and deptype = 'e') "
    "order by 1"
)


def save_mirror(settings: PostgisSettings, path: Path) -> Contents:
    """Dump every schema that is no extension's; returns what its tables hold."""
    url = settings.url.get_secret_value()
    with connected(url, SETTING) as connection:
        options = [f"--schema={row[0]}" for row in connection.execute(SCHEMAS).fetchall()]
        chosen = {option.partition("=")[2] for option in options}
    found = save_database(url, SETTING, path, options or ["--schema=public"])
    return {name: content for name, content in found.items() if name.partition(".")[0] in chosen}


def filled_tables(settings: PostgisSettings) -> list[str]:
    """Tables with rows that are no copy of gold: into such a database nothing is restored."""
    with connected(settings.url.get_secret_value(), SETTING) as connection:
        found = contents(connection)
    return [f"postgis.{name}" for name, content in found.items() if content.rows and name.partition(".")[0] not in OWN_SCHEMAS]


def restore_mirror(settings: PostgisSettings, path: Path) -> None:
    """Make the extension and the readers' roles where they are missing, then bring everything back in one transaction.

    PublishError says what the role may not make and who may. A role that is made here cannot log in: compose.yaml or the operator
    gives it its password.
    """
    url = settings.url.get_secret_value()
    with open_mirror(settings) as connection:
        prepare(connection, settings)
    with connected(url, SETTING) as connection:
        _drop_own(connection)
    restore(url, path, ["--clean", "--if-exists"], left_out=f"{PUBLIC_SCHEMA}|{EXTENSIONS}")


def mirror_contents(settings: PostgisSettings) -> Contents:
    """What the tables hold now."""
    with connected(settings.url.get_secret_value(), SETTING) as connection:
        return contents(connection)


def _drop_own(connection: Connection) -> None:
    for schema in OWN_SCHEMAS:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
