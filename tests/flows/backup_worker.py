"""A child of test_backup_kill.py: takes or restores a backup, says what it is at, and goes on when it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from backup_support import FACILITIES, REGISTER, form, utc_now

from flows.steps.backup.restore import restore_backup
from flows.steps.backup.take import take_backup
from flows.steps.load import load_outstanding
from services.object_store.backup import stored_digest
from services.settings import Settings
from services.state.backup import contents as state_contents
from services.warehouse.backup import definitions
from services.warehouse.backup_restore import contents
from services.wiring import Services, open_services


def say(text: str) -> None:
    print(f"at {text}", flush=True)
    sys.stdin.readline()


def fill(settings: Settings) -> None:
    """Files that are loaded, a form that waits, a key; nothing is read or built, which takes long and is nothing new here."""
    with open_services(settings) as services:
        for dataset, text in (("facilities", FACILITIES), ("address_points", REGISTER)):
            services.intake.receive_dataset(iter([text.encode()]), f"{dataset}.csv", dataset, None, "cli", utc_now())
        services.intake.receive_submission(form(2), None, utc_now(), idempotency_key="k1")
        services.intake.register_outstanding(utc_now())
        load_outstanding(services, utc_now())
        services.keys.create("a key", ["read"], utc_now())
        services.warehouse.command("create view silver.a_view as select count() as row_count from bronze.address_points")
        services.warehouse.command(
            "create table gold.of_forms engine = MergeTree order by submission_id as select * from bronze.submissions"
        )


def facts(services: Services) -> dict[str, object]:
    tables = [table.full_name for table in definitions(services.warehouse) if table.has_rows and table.name != "step_outcomes"]
    found = contents(services.warehouse, dict.fromkeys(tables))  # type: ignore[arg-type]
    with services.state.database.reading() as connection:
        state = state_contents(connection)
    return {
        "warehouse": {name: [one.rows, one.digest] for name, one in sorted(found.items())},
        "view": services.warehouse.scalar("select row_count from silver.a_view"),
        # What waits is asked for anew by a restore: its time is another one.
        "state": {name: [one.rows, one.digest] for name, one in sorted(state.items()) if name != "work"},
        "work": services.state.work.counts(),
        "objects": {key: stored_digest(services.objects, key) for key in sorted(services.objects.list(""))},
    }


def main(mode: str, data_dir: Path, arguments: Sequence[str]) -> None:
    settings = Settings(_env_file=None, data_dir=data_dir)
    if mode == "fill":
        fill(settings)
    elif mode == "backup":
        with open_services(settings) as services:
            take_backup(services, Path(arguments[0]), keep=None, clock=utc_now, say=say)
    elif mode == "restore":
        restore_backup(settings, Path(arguments[0]), clock=utc_now, say=say)
    if mode != "backup":
        with open_services(settings) as services:
            print(json.dumps(facts(services)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
