"""`make bench`: run all measurements, or those named as arguments, and print their ratios."""

from __future__ import annotations

import importlib
import sys

MODULES = {
    "load": "a CSV through the loader against ClickHouse's own INSERT … SELECT … FROM file()",
    "one_letter": "one more letter on top of a million requests against the same on an empty warehouse",
    "reading": "the reading path against the OCR library alone",
    "gis_sync": "a sync of the map mirror, full and of one row in a hundred, against ogr2ogr",
    "nearest": "the nearest facilities of a million address points against PostGIS",
    "api": "API requests against a bare route and against the raw query",
}


def main(names: list[str]) -> int:
    """Run the named measurements; 1 when one of them misses its bound. Numbers are sizes, which each takes from the command line."""
    missed = []
    for name in [name for name in names if not name.isdecimal()] or MODULES:
        sys.stdout.write(f"\n== {name}: {MODULES[name]}\n")
        sys.stdout.flush()
        if not importlib.import_module(f"bench.{name}").main():
            missed.append(name)
    sys.stdout.write(f"\nmissed: {', '.join(missed)}\n" if missed else "\nall bounds held\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
