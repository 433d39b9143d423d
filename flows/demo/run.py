"""The whole main job on the demo town, before the user's eyes."""

from __future__ import annotations

import hashlib
import time
import webbrowser
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.clock import utc_now
from flows.demo.generate import DemoTown, write_letter_files, write_town
from flows.demo.summary import FACILITY_KINDS, DemoSummary, coverage_from, show_summary
from flows.evaluate import evaluate
from flows.serve import Server, serving
from flows.steps.run import run_outstanding
from flows.steps.transform import needs_build
from services.errors import ConfigurationError, IntakeError, PlatformError
from services.intake.submissions import SubmissionIn
from services.settings import Settings
from services.wiring import Services, open_services

DOOR = "demo"
CHUNK = 1 << 20
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 5.0
# Longer than the slowest single step (starting readers and one page, or one build) on a busy machine.
STALLED_SECONDS = 240.0
SQL = Path(__file__).parent.with_name("sql")


def run_demo(settings: Settings, *, serve: bool, seed: int, console: Console, open_browser: bool) -> DemoSummary:
    """Generate the town, load it, serve at once, read its letters while you look, and sum up.

    With `serve` the API and the portal answer until Ctrl-C. Everything goes through the same door as real data; run again on
    the same data directory, nothing comes twice. Raises ConfigurationError if the directory holds data that is not the demo's.
    """
    started = time.monotonic()
    with open_services(settings) as services, ExitStack() as stack:
        demo = write_town(seed, settings.data_dir / "demo" / str(seed))
        _refuse_strangers(services, demo)
        console.print("[bold]Korvenau and its neighbours[/]: an invented island, its register, its facilities and its letters.")
        _load(services, demo, console)
        server = _serve(stack, services, console) if serve else None
        if server:
            _show_address(server, console, open_browser)
        letters = _read(services, demo, seed, server, console)
        summary = _summary(services, demo, seed, letters, time.monotonic() - started, server.url if server else "")
        show_summary(summary, console)
        if server:
            console.print(
                f"\nStill serving {server.portal_url()}\n(a new link that works once; Ctrl-C stops)", highlight=False, soft_wrap=True
            )
            server.wait_for_the_user()
    return summary


def _refuse_strangers(services: Services, demo: DemoTown) -> None:
    """The demo replaces areas, facilities and register, so it must not be let loose on somebody's own."""
    own = {_content_hash(path) for path in _dataset_files(demo).values()}
    strangers = [dataset for dataset, upload_id in _newest_uploads(services).items() if upload_id not in own]
    if strangers:
        raise ConfigurationError(
            f"{services.settings.data_dir} holds {', '.join(strangers)} that are not of this demo: "
            "give the demo a directory of its own, as in `cartulary --data-dir demo-data demo`."
        )


def _dataset_files(demo: DemoTown) -> dict[str, Path]:
    return {"areas": demo.areas_file, "facilities": demo.facilities_file, "address_points": demo.address_points_file}


def _newest_uploads(services: Services) -> dict[str, str]:
    return {str(row["dataset"]): str(row["upload_id"]) for row in services.warehouse.query(_sql("demo_newest_loads"))}


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _load(services: Services, demo: DemoTown, console: Console) -> None:
    """Datasets and submissions through the door, then the first map; what an earlier run brought in is not brought again."""
    newest = _newest_uploads(services)
    with _progress(console) as progress:
        progress.add_task("loading areas, facilities and addresses, building the first map", total=None)
        for dataset, path in _dataset_files(demo).items():
            if newest.get(dataset) == _content_hash(path):
                continue
            receipt = services.intake.receive_dataset(_chunks(path), path.name, dataset, None, DOOR, utc_now())
            if receipt.state == "refused":
                raise IntakeError(f"{path}: {receipt.reason}")
        for number, body in enumerate(demo.submissions):
            submission = SubmissionIn.model_validate(body)
            key = f"demo/{demo.submissions_file.parent.name}/{number}"
            services.intake.receive_submission(submission, None, utc_now(), idempotency_key=key, door=DOOR)
        run_outstanding(services, clock=utc_now)
    town = demo.town
    console.print(
        f"The map stands: {len(town.areas)} areas, {len(town.facilities)} facilities, {len(town.addresses):,} addresses, "
        f"{len(demo.submissions)} requests from web and phone.",
        highlight=False,
    )


def _serve(stack: ExitStack, services: Services, console: Console) -> Server:
    """The server on its usual port, or on a free one if somebody has that."""
    try:
        return stack.enter_context(serving(services))
    except ConfigurationError as error:
        console.print(f"[yellow]note:[/] {error} The demo takes a free one.", highlight=False)
        return stack.enter_context(serving(services, port=0))


def _show_address(server: Server, console: Console, open_browser: bool) -> None:
    url = server.portal_url()
    console.print(f"Portal  [bold]{url}[/]\nAPI     {server.url}/docs", highlight=False, soft_wrap=True)
    if open_browser:
        webbrowser.open(url)


def _read(services: Services, demo: DemoTown, seed: int, server: Server | None, console: Console) -> int:
    """Take the letters in as they are drawn, have them read, and wait for the last; returns how many there are."""
    count = 0
    with _progress(console) as progress:
        task = progress.add_task("letters arriving", total=None)
        for path in write_letter_files(demo, seed):
            receipt = services.intake.receive_letter(_chunks(path), path.name, DOOR, utc_now())
            if receipt.state == "refused":
                raise IntakeError(f"{path}: {receipt.reason}")
            count += 1
            progress.advance(task)
            if server:
                server.orchestrator.wake()
        progress.update(task, description="reading letters", total=count, completed=count - services.state.work.outstanding("extract"))
        if server:
            _wait_for_the_worker(services, server, progress, task, count)
        else:
            run_outstanding(
                services, clock=utc_now, progress=lambda step, done: progress.advance(task, done) if step == "extract" else None
            )
    return count


def _wait_for_the_worker(services: Services, server: Server, progress: Progress, task: TaskID, count: int) -> None:
    """Follow the worker until nothing is outstanding and the map shows it; PlatformError if it makes no progress for minutes."""
    last_change, last_seen = time.monotonic(), -1
    while True:
        outstanding = services.state.work.outstanding()
        if not outstanding:
            progress.update(task, description="building the map")
            if not needs_build(services):
                return
        if outstanding != last_seen:
            last_change, last_seen = time.monotonic(), outstanding
        elif time.monotonic() - last_change > STALLED_SECONDS:
            raise PlatformError(
                f"Nothing has moved for {STALLED_SECONDS:.0f} s with {outstanding} items outstanding: the messages above say why; "
                "`cartulary run` goes on from here."
            )
        progress.update(task, completed=count - services.state.work.outstanding("extract"))
        if time.monotonic() - last_change > PATIENCE_SECONDS:
            server.orchestrator.wake()  # for work that was put back after a passing fault
        time.sleep(POLL_SECONDS if outstanding else 4 * POLL_SECONDS)


def _summary(services: Services, demo: DemoTown, seed: int, letters: int, seconds: float, url: str) -> DemoSummary:
    score = evaluate(services, demo.letters_folder)
    files = score["files"]
    of_letters: Counter[str] = Counter()
    of_submissions: Counter[str] = Counter()
    for row in services.warehouse.query(_sql("demo_requests")):
        counts = of_letters if row["channel"] == "letter" else of_submissions
        counts[str(row["state"])] += int(row["request_count"])
    return DemoSummary(
        seed=seed,
        letters_received=letters,
        letters_read=int(services.warehouse.scalar(_sql("demo_read_letters"))),
        letters_located=of_letters["located"],
        letters_approximate=of_letters["approximate"],
        letters_in_review=of_letters["review"],
        submissions=dict(of_submissions),
        coverage=coverage_from(services.warehouse.query(_sql("demo_coverage"), {"facility_kinds": list(FACILITY_KINDS)})),
        score={name: count for name, count in score.items() if isinstance(count, int)},
        score_by_hand=score["font"],
        wrong_files=[file["file"] for file in files if file["outcome"] == "located_wrong"],
        seconds=round(seconds, 1),
        url=url,
    )


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
