"""A child of test_publish.py: writes the same bronze rows (once), builds, and prints gold."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dbt_support import START, Bronze, bare_services, gold_content

from flows.steps.transform import transform
from services.settings import Settings
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

# Rows get their time when they are written, which is another one in each directory.
WRITTEN = "_ingested_at"


def main() -> None:
    settings = Settings(_env_file=None, data_dir=Path(sys.argv[1]))
    with Warehouse.open(settings) as warehouse:
        migrate(warehouse)
        services = bare_services(warehouse, settings)
        bronze = Bronze(warehouse)
        if not warehouse.scalar("select count() from bronze.letters"):
            bronze.town()
            for _ in range(20):
                bronze.located_letter()
        print("building", flush=True)
        transform(services, now=START)
        transform(services, now=START)
        content = {table: sorted(line.split(f"'{WRITTEN}'")[0] for line in lines) for table, lines in gold_content(warehouse).items()}
        print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
