"""The `cartulary` command."""

from __future__ import annotations

import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from flows.backup_commands import backup_app, restore
from flows.clock import utc_now
from flows.console import JsonFlag, err, opened_services, out, print_json, print_table
from flows.export import export_app
from flows.init import init
from flows.keys import keys_app
from flows.letter_files import letter_files
from flows.send import send
from flows.upkeep import docs, migrate, publish
from services.errors import ConfigurationError, IntakeError, PlatformError
from services.logs import start_logging
from services.settings import read_settings

if TYPE_CHECKING:
    from flows.steps.load import LoadResult
    from services.wiring import Services

DOOR = "cli"
CHUNK = 1 << 20
# Whoever loads does it now: after so long the file stays in the queue, and the sentence says who is at it.
LOAD_WAIT_SECONDS = 600.0


class SentenceGroup(TyperGroup):
    """Ends every command with exit code 0 or with one sentence that says what to do."""

    def invoke(self, ctx: Any) -> Any:
        """Turn expected errors into their sentence."""
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            err.print(f"[bold red]error:[/] {error}", highlight=False)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            err.print("Interrupted. Nothing is lost: `cartulary run` goes on where this stopped.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=SentenceGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Letters, files and requests become a coverage map, on your own machine.",
)
letters_app = typer.Typer(no_args_is_help=True, help="Take letters in.")
dataset_app = typer.Typer(no_args_is_help=True, help="Datasets: scaffold a new one.")
app.add_typer(letters_app, name="letters")
app.add_typer(keys_app, name="keys")
app.add_typer(dataset_app, name="dataset")
app.add_typer(export_app, name="export")
app.add_typer(backup_app, name="backup")
app.command()(restore)
app.command()(send)
for command in (init, migrate, publish, docs):
    app.command()(command)


@app.callback()
def main(
    ctx: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept (default: CARTULARY_DATA_DIR or ./data).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what happens inside.")] = False,
) -> None:
    """Settings come from the environment; --data-dir wins."""
    # Whoever stops us politely gets the same order as with Ctrl-C, also where a shell started us in the background, deaf to it.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, signal.default_int_handler)
    ctx.obj = read_settings(data_dir=data_dir) if data_dir else read_settings()
    start_logging(ctx.obj.log, err, verbose=verbose)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _counted(path: Path, progress: Progress, task: TaskID) -> Iterator[bytes]:
    for chunk in _chunks(path):
        yield chunk
        progress.advance(task, len(chunk))


def _load_now(services: Services, upload_id: str, dataset: str, mode: str | None, progress: Progress, task: TaskID) -> LoadResult:
    """Load what was just received, and settle its place in the queue either way; a server that loads just now is waited for, and
    what it loaded meanwhile is not loaded again."""
    from flows.steps.alone import alone
    from flows.steps.load import load_at_once
    from flows.steps.run import LOADING

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total or None)

    with alone(services, LOADING, clock=utc_now, wait_seconds=LOAD_WAIT_SECONDS) as lease:
        return load_at_once(services, upload_id, dataset, mode, clock=utc_now, progress=show, confirm=lease.confirm)


@app.command()
def demo(
    ctx: typer.Context,
    serve: Annotated[bool, typer.Option(help="Stay and answer after the summary.")] = True,
    seed: Annotated[int, typer.Option(help="Another seed is another town.")] = 1,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the portal in a browser.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """The whole main job on a fictional town, before your eyes; then the API and portal on localhost."""
    from flows.demo.run import run_demo

    summary = run_demo(ctx.obj, serve=serve, seed=seed, console=err if as_json else out, open_browser=open_browser)
    if as_json:
        print_json(summary)


@app.command()
def town(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An OpenStreetMap extract (.osm.pbf or .osm).")],
    out_dir: Annotated[Path, typer.Option("--out", help="Where the three files go.")] = Path("town"),
    as_json: JsonFlag = False,
) -> None:
    """Write areas.csv, facilities.csv and address_points.csv from any OpenStreetMap extract, and say how complete they are."""
    from flows.town import write_town

    with _progress() as progress:
        task = progress.add_task("reading the extract", total=None)
        report = write_town(file, out_dir, lambda text: progress.update(task, description=text))
    if as_json:
        print_json(report)
        return
    out.print(report.as_text(), highlight=False)
    out.print(f"\nNext: cartulary load areas {out_dir}/areas.csv")


@app.command()
def load(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="facilities, areas, address_points, or one of your own.")],
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    mode: Annotated[str | None, typer.Option(help="replace, append or upsert (default: what the contract says).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Load data files (CSV or GeoJSON; delimiter, encoding and header are found out) into a dataset."""
    results = []
    with opened_services(ctx) as services, _progress() as progress:
        for path in files:
            task = progress.add_task(f"{path.name}: storing", total=path.stat().st_size)
            receipt = services.intake.receive_dataset(_counted(path, progress, task), path.name, dataset, mode, DOOR, utc_now())
            if receipt.state == "refused":
                raise IntakeError(f"{path}: {receipt.reason}")
            progress.update(task, description=f"{path.name}: loading", completed=0)
            results.append(_load_now(services, receipt.upload_id, dataset, mode, progress, task))
    if as_json:
        print_json(results)
        return
    for path, result in zip(files, results, strict=True):
        out.print(
            f"{path}: {result.received} received, {result.landed} landed, {result.rejected} rejected (generation {result.generation})"
        )
        for warning in result.warnings:
            out.print(f"  [yellow]note:[/] {warning}", highlight=False)
    out.print("Next: cartulary run")


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    dataset: Annotated[str | None, typer.Option(help="Compare with this dataset's contract.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look into a data file before anything is written: dialect, encoding, columns, first problems."""
    from flows.preview import preview_file

    found = preview_file(file, dataset)
    print_json(found) if as_json else out.print(found.as_text(), highlight=False)


@letters_app.command("add")
def letters_add(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files or folders: JPEG, PNG, TIFF, PDF.")],
    as_json: JsonFlag = False,
) -> None:
    """Take letters in; the same bytes are the same letter. A refused file is told with its reason and leaves a trace."""
    files, left = letter_files(paths)
    receipts = []
    with opened_services(ctx) as services, _progress() as progress:
        task = progress.add_task("taking letters in", total=len(files))
        for path in files:
            receipts.append(services.intake.receive_letter(_chunks(path), path.name, DOOR, utc_now()))
            progress.advance(task)
    if as_json:
        print_json(receipts)
        return
    new = sum(receipt.is_new and receipt.state == "stored" for receipt in receipts)
    refused = [receipt for receipt in receipts if receipt.state == "refused"]
    out.print(f"{new} new, {len(receipts) - new - len(refused)} known before, {len(refused)} refused")
    for receipt in refused:
        out.print(f"  [yellow]refused:[/] {receipt.file_name}: {receipt.reason}", highlight=False)
    if left:
        out.print(f"  {left} other files in the folders were left where they are")
    out.print("Next: cartulary run")


@app.command()
def run(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Extract, geocode, transform, publish: whatever is outstanding."""
    from flows.steps.run import run_outstanding

    with opened_services(ctx) as services, _progress() as progress:
        waiting = services.state.work.outstanding("extract")
        task = progress.add_task("reading letters", total=waiting or None)

        def show(step: str, count: int) -> None:
            if step == "extract":
                progress.advance(task, count)
            else:
                progress.update(task, description={"transform": "building the map"}.get(step, "reading letters"))

        result = run_outstanding(services, clock=utc_now, progress=show)
    if as_json:
        print_json(result)
        return
    rows = [
        {"step": step, **{"counts": ", ".join(f"{name} {count}" for name, count in counts.items() if count)}}
        for step, counts in result.counts.items()
        if any(counts.values())
    ]
    print_table("Done", rows)


@app.command()
def status(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Counts per layer and per state, and whether they add up."""
    from flows.status import take_stock

    with opened_services(ctx) as services:
        stock = take_stock(services)
    if as_json:
        print_json(stock)
    else:
        for title, rows in stock.tables():
            print_table(title, rows)
        for sentence in stock.differences:
            out.print(f"[bold red]does not add up:[/] {sentence}", highlight=False)
    if stock.differences:
        raise typer.Exit(1)


@app.command()
def sql(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="One SELECT.")],
    fmt: Annotated[
        str, typer.Option("--format", help="Any format of ClickHouse: CSV, JSON, PrettyCompact, Parquet …")
    ] = "PrettyCompactNoEscapes",
) -> None:
    """Ask the warehouse; read only."""
    with opened_services(ctx) as services:
        sys.stdout.buffer.write(services.warehouse.query_format(query, settings={"readonly": 1}, fmt=fmt))


@app.command()
def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1: this machine only).")] = None,
    port: Annotated[int | None, typer.Option(help="Port (default 8600; 0 takes a free one).")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the portal in a browser.")] = True,
) -> None:
    """Answer on localhost: the API, the portal, and the work behind them."""
    from flows.serve import serving

    with opened_services(ctx) as services, serving(services, host=host, port=port) as server:
        # Behind a gateway the door lets people in, and a link from here would open nothing.
        url = "" if ctx.obj.gateway.secret.get_secret_value() else server.portal_url()
        portal = f"Portal  {url}\n(the link works once; Ctrl-C stops)" if url else "(for the gateway alone; Ctrl-C stops)"
        with suppress(KeyboardInterrupt):  # the promised way to stop, from the first line on
            out.print(f"API     {server.url}/docs\n{portal}", highlight=False, soft_wrap=True)
            if url and open_browser:
                webbrowser.open(url)
            server.wait_for_the_user()
        err.print("Stopping after the letter under way; nothing is lost.")


@app.command()
def warehouse(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any other than this machine's own only in a network you trust.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port (default 8123; 0 takes a free one).")] = None,
) -> None:
    """Answer ClickHouse's HTTP interface alone: for dbt, clickhouse-connect and the other commands, until Ctrl-C."""
    from flows.listening import wait_for_the_user
    from flows.warehouse_door import answering

    port = ctx.obj.warehouse.port if port is None else port
    with opened_services(ctx) as services, answering(services.warehouse, host=host, port=port) as door:
        if door is None:
            where = f"{services.warehouse.settings.host}:{services.warehouse.settings.port}"
            raise ConfigurationError(f"ClickHouse answers already, at {where}: there is nothing to serve here.")
        out.print(f"ClickHouse's HTTP interface  {door.url}\n(user and token are in {door.owner_file}; Ctrl-C stops)", soft_wrap=True)
        wait_for_the_user(door.thread)


@app.command()
def flows(ctx: typer.Context) -> None:
    """Serve the Prefect flows, until Ctrl-C: letters, datasets, models, gis, backup, maintenance, each when it is due."""
    from services.orchestrator.environment import prepare_environment
    from services.orchestrator.prefect_api import check_prefect

    check_prefect(ctx.obj.orchestrator)
    prepare_environment(ctx.obj)
    from flows.deployments import serve_all  # imports Prefect, which reads the environment then

    serve_all(ctx.obj)


@app.command()
def evaluate(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder of letters with a truth.csv.")],
    as_json: JsonFlag = False,
) -> None:
    """Score the letters of a folder that has a truth.csv: right means located within 50 m of the truth."""
    from flows.evaluate import evaluate as score

    with opened_services(ctx) as services:
        result = score(services, folder)
    if as_json:
        print_json(result)
        return
    print_table(str(folder), [{"of": "all", **{name: count for name, count in result.items() if isinstance(count, int)}}])


@app.command()
def reprocess(
    ctx: typer.Context,
    read_again: Annotated[bool, typer.Option("--read-again", help="Also read every letter again.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Rebuild what bronze lacks from the object store, try again what failed, and do what is outstanding."""
    from flows.steps.reprocess import reprocess as rebuild

    with opened_services(ctx) as services:
        result = rebuild(services, read_again=read_again, clock=utc_now)
    if as_json:
        print_json(result)
    else:
        out.print(", ".join(f"{name} {count}" for name, count in result.counts.items()))
        if result.message:
            out.print(f"[bold red]{result.message}[/]", highlight=False)
    if result.message:
        raise typer.Exit(1)


@app.command()
def doctor(
    ctx: typer.Context,
    stack: Annotated[
        bool | None,
        typer.Option(
            "--stack/--no-stack",
            help="The stack of this folder, or this machine alone (default: the stack, where an .env has its secrets).",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """What is wrong here, and the exact command that repairs it; changes nothing."""
    from flows.doctor import examine
    from flows.doctor_stack.examination import examine_stack, is_stack, stack_folder

    folder = stack_folder(Path.cwd())
    findings = examine_stack(folder, now=utc_now()) if (is_stack(folder) if stack is None else stack) else examine(ctx.obj)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark = "[green]well[/]" if finding.is_ok else "[bold red]WRONG[/]" if finding.is_wrong else "[yellow]note[/]"
            out.print(f"{mark:>14}  {finding.check}: {finding.found}", highlight=False, soft_wrap=True)
            if not finding.is_ok:
                out.print(f"       repair: {finding.repair}", highlight=False, soft_wrap=True)
    if any(finding.is_wrong for finding in findings):
        raise typer.Exit(1)


@dataset_app.command("new")
def dataset_new(
    name: Annotated[str, typer.Argument(help="Plural, lower case, underscores: bus_stops.")],
    file: Annotated[Path, typer.Option("--from", exists=True, dir_okay=False, help="A sample: CSV or GeoJSON.")],
    as_json: JsonFlag = False,
) -> None:
    """Scaffold a dataset folder from a sample: contract, staging model, tests. Nothing else needs to be edited."""
    from flows.scaffold import scaffold_dataset

    written = scaffold_dataset(name, file)
    if as_json:
        print_json({"dataset": name, "files": written})
        return
    for path in written:
        out.print(f"wrote {path}")
    out.print(f"Next: look at the contract, then cartulary load {name} {file}")
