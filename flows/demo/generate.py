"""Writes the demo town of a seed to files: datasets, submissions, letters and the truth about them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapely import MultiPolygon, to_wkt

from flows.demo.correspondence import truth_rows, write_letters
from flows.demo.letters import LetterFile, draw_letters
from flows.demo.submissions import Submission, write_submissions
from flows.demo.town import Town, build_town

COORDINATE_DECIMALS = 7


@dataclass(frozen=True)
class DemoTown:
    """The town and where its files are."""

    town: Town
    submissions: Sequence[Submission]
    areas_file: Path
    facilities_file: Path
    address_points_file: Path
    submissions_file: Path
    letters_folder: Path
    truth_file: Path


def generate_town(seed: int, out: Path) -> DemoTown:
    """Write everything; the same seed gives the same bytes."""
    demo = write_town(seed, out)
    for _ in write_letter_files(demo, seed):
        pass
    return demo


def write_town(seed: int, out: Path) -> DemoTown:
    """Write datasets, submissions and the truth about the letters, but draw no letter yet (a second at most)."""
    town = build_town(seed)
    letters_folder = out / "letters"
    letters_folder.mkdir(parents=True, exist_ok=True)
    demo = DemoTown(
        town=town,
        submissions=write_submissions(town, seed),
        areas_file=out / "areas.csv",
        facilities_file=out / "facilities.csv",
        address_points_file=out / "address_points.csv",
        submissions_file=out / "submissions.json",
        letters_folder=letters_folder,
        truth_file=letters_folder / "truth.csv",
    )
    _write_csv(demo.areas_file, _area_rows(town))
    _write_csv(demo.facilities_file, _facility_rows(town))
    _write_csv(demo.address_points_file, _address_rows(town))
    demo.submissions_file.write_text(json.dumps(demo.submissions, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return demo


def write_letter_files(demo: DemoTown, seed: int) -> Iterator[Path]:
    """Draw the letters one by one, yielding the path of each as soon as it is there; truth.csv comes last."""
    letters = write_letters(demo.town, seed)
    drawn: list[LetterFile] = []
    for file in draw_letters(letters, seed):
        path = demo.letters_folder / file.name
        path.write_bytes(file.content)
        drawn.append(file)
        yield path
    _write_csv(demo.truth_file, truth_rows(letters, [file.name for file in drawn], [file.hand for file in drawn]))


def _write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _area_rows(town: Town) -> Iterator[dict[str, str]]:
    for area in town.areas:
        yield {
            "area_code": area.code,
            "name": area.name,
            "level": str(area.level),
            "parent_code": area.parent_code,
            "population": str(area.population),
            "geometry_wkt": _wkt(area.geometry),
        }


def _facility_rows(town: Town) -> Iterator[dict[str, str]]:
    for facility in town.facilities:
        yield {
            "facility_id": facility.facility_id,
            "name": facility.name,
            "kind": facility.kind,
            "street": facility.street,
            "housenumber": facility.housenumber,
            "postcode": facility.postcode,
            "city": facility.city,
            "lon": f"{facility.longitude:.{COORDINATE_DECIMALS}f}",
            "lat": f"{facility.latitude:.{COORDINATE_DECIMALS}f}",
        }


def _address_rows(town: Town) -> Iterator[dict[str, str]]:
    for address in town.addresses:
        yield {
            "address_id": address.address_id,
            "street": address.street,
            "housenumber": address.housenumber,
            "postcode": address.postcode,
            "city": address.city,
            "lon": f"{address.longitude:.{COORDINATE_DECIMALS}f}",
            "lat": f"{address.latitude:.{COORDINATE_DECIMALS}f}",
        }


def _wkt(geometry: MultiPolygon) -> str:
    """WKT with as many decimals as the coordinates have; a polygon of one part is written as POLYGON, as real files do."""
    return str(to_wkt(geometry.geoms[0] if len(geometry.geoms) == 1 else geometry, rounding_precision=COORDINATE_DECIMALS, trim=True))
