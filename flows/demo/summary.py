"""What a demo run found, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.table import Table

# The two kinds whose coverage the summary shows: one that the outskirts lack, one that most have.
FACILITY_KINDS = ("pharmacy", "school")


@dataclass(frozen=True)
class AreaCoverage:
    """Share (0 to 1) of an area's address points within reach of each kind; None where there is too little data."""

    area_code: str
    area_name: str
    level: int
    population: int | None
    coverage_share: Mapping[str, float | None]


@dataclass(frozen=True)
class DemoSummary:
    """Counts of the run: letters by outcome, other requests by state, coverage, and the score against the truth."""

    seed: int
    letters_received: int
    letters_read: int
    letters_located: int
    letters_approximate: int
    letters_in_review: int
    submissions: Mapping[str, int]
    coverage: Sequence[AreaCoverage]
    score: Mapping[str, int]
    wrong_files: Sequence[str]
    seconds: float
    url: str = ""
    score_by_hand: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def show_summary(summary: DemoSummary, console: Console) -> None:
    """Print tables of what was read, how far help is, and how right it was."""
    console.print(Group(_letters(summary), "", _coverage(summary.coverage), ""))
    console.print(_verdict(summary), highlight=False)


def _letters(summary: DemoSummary) -> Table:
    table = Table(title="Requests", title_justify="left")
    for column in ("", "received", "read", "located", "approximate", "waiting for review"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(
        "letters",
        str(summary.letters_received),
        str(summary.letters_read),
        str(summary.letters_located),
        str(summary.letters_approximate),
        str(summary.letters_in_review),
    )
    states = summary.submissions
    table.add_row(
        "web and phone",
        str(sum(states.values())),
        "",
        *(str(states.get(state, 0)) for state in ("located", "approximate", "review")),
    )
    return table


def _coverage(areas: Sequence[AreaCoverage]) -> Table:
    table = Table(title="Share of addresses within reach", title_justify="left")
    table.add_column("area")
    table.add_column("population", justify="right")
    for kind in FACILITY_KINDS:
        table.add_column(kind.replace("_", " "), justify="right")
    children = {area.level for area in areas}
    for area in areas:
        indent = "  " if len(children) > 1 and area.level == max(children) else ""
        shares = (area.coverage_share.get(kind) for kind in FACILITY_KINDS)
        table.add_row(
            indent + area.area_name,
            "" if area.population is None else f"{area.population:,}",
            *("[dim]too little data[/]" if share is None else f"{share:.0%}" for share in shares),
        )
    return table


def _verdict(summary: DemoSummary) -> str:
    score = summary.score
    lines = [
        f"Against the truth: {score['located_right']} of {score['letters']} letters located right (within 50 m), "
        f"{score['located_wrong']} wrong, {score['approximate']} approximate, {score['in_review']} for a person to look at."
    ]
    if summary.wrong_files:
        lines.append(f"[bold red]Located wrongly:[/] {', '.join(summary.wrong_files)}")
    lines.append("Ten of them are hard on purpose: unreadable, from addresses that are not in the register, or with a wrong postcode.")
    lines.append(f"All of it took {summary.seconds:.0f} s.")
    return "\n".join(lines)


def coverage_from(rows: Sequence[Mapping[str, Any]]) -> list[AreaCoverage]:
    """One entry per area from rows of one area and kind."""
    areas: dict[str, AreaCoverage] = {}
    shares: dict[str, dict[str, float | None]] = {}
    for row in rows:
        code = str(row["area_code"])
        share = row["coverage_share"]
        shares.setdefault(code, {})[str(row["facility_kind"])] = None if share is None else float(share)
        population = row["population"]
        areas[code] = AreaCoverage(
            code, str(row["area_name"]), int(row["level"] or 0), None if population is None else int(population), shares[code]
        )
    return list(areas.values())
