"""A child of test_kill.py: takes in a town and some letters, does all the work, prints what is in the warehouse then."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from flows.steps.run import run_outstanding
from services.settings import Settings
from services.wiring import Services, open_services

DATASETS = ("areas", "facilities", "address_points")

# Times and random ids differ from run to run; everything else must not.
FACTS = {
    "uploads": "select upload_id, purpose, dataset, state, byte_count, count() from bronze.uploads group by all order by all",
    "letters": "select letter_id, pages, count() from bronze.letters group by all order by all",
    "extractions": "select extraction_id, letter_id, outcome, street, housenumber, postcode, city, count() "
    "from bronze.extractions group by all order by all",
    "geocodes": "select subject_id, precision, address_id, longitude, latitude, count() from bronze.geocodes where register_generation = "
    "(select max(register_generation) from bronze.geocodes) group by all order by all",
    "loads": "select dataset, received_rows, landed_rows, rejected_rows, count() from bronze.loads where state = 'loaded' "
    "group by all order by all",
    "addresses": "select address_id, street, housenumber, postcode, city, count() from silver.stg_address_points__address_points "
    "group by all order by all",
    "requests": "select request_id, channel, state, facility_kind, requested_on, precision, longitude, latitude, area_code, "
    "nearest_facility_id, count() from gold.fct_requests group by all order by all",
    "coverage": "select area_code, facility_kind, address_point_count, covered_address_point_count, coverage_share, request_count, count() "
    "from gold.mart_coverage_by_area group by all order by all",
}


def clock() -> datetime:
    return datetime.now(UTC)


def take_in(services: Services, town: Path, letters: int) -> None:
    for dataset in DATASETS:
        path = town / f"{dataset}.csv"
        services.intake.receive_dataset(iter([path.read_bytes()]), path.name, dataset, None, "cli", clock())
    for path in sorted((town / "letters").glob("*.jpg"))[:letters]:
        services.intake.receive_letter(iter([path.read_bytes()]), path.name, "cli", clock())


def main(data_dir: Path, town: Path, letters: int) -> None:
    with open_services(Settings(_env_file=None, data_dir=data_dir)) as services:
        print("at work", flush=True)
        take_in(services, town, letters)
        run_outstanding(services, clock=clock)
        facts = {name: [list(map(str, row.values())) for row in services.warehouse.query(sql)] for name, sql in FACTS.items()}
        assert services.state.work.outstanding() == 0
        assert all(facts.values()), [name for name, rows in facts.items() if not rows]
    print(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
