"""`cartulary send`: letters and data files handed to a server somewhere else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from flows.console import JsonFlag, err, out, print_json
from flows.letter_files import letter_files
from services.errors import ConfigurationError


def send(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Letters, data files, or folders of letters.")],
    to: Annotated[str, typer.Option("--to", help="Where the API is: https://api.example.org")],
    key: Annotated[str, typer.Option("--key", help="A key with the scope intake; it shows in the list of processes.")] = "",
    key_file: Annotated[Path | None, typer.Option("--key-file", help="A file with the key; - for standard input.")] = None,
    dataset: Annotated[str, typer.Option(help="For data files: which dataset.")] = "",
    mode: Annotated[str, typer.Option(help="For data files: replace, append or upsert (default: what the contract says).")] = "",
    ca_file: Annotated[Path | None, typer.Option("--ca-file", exists=True, dir_okay=False, help="Whom to trust for it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Hand letters, or with --dataset data files, to a server over its API; what is too large for its gateway goes around it.

    Ends with 1 when a file was refused; the others are there then.
    """
    from services.gateway.remote import Remote, Sending

    files, left = letter_files(paths)
    if dataset and any(path.is_dir() for path in paths):
        raise ConfigurationError("A folder may hold anything: name the data files themselves.")
    if not files:
        raise ConfigurationError(f"There is no letter in {', '.join(map(str, paths))}: name files, or folders with JPEG, PNG, TIFF or PDF.")
    remote = Remote(to, _key(key, key_file), ca_file=ca_file)
    with Progress(TextColumn("sending"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, transient=True) as progress:
        task = progress.add_task("sending", total=sum(path.stat().st_size for path in files))
        what = Sending("dataset", dataset, mode) if dataset else Sending("letter")
        receipts = remote.send(files, what, lambda count: progress.advance(task, count))
    remote.close()
    refused = [(path, receipt) for path, receipt in zip(files, receipts, strict=True) if receipt["state"] == "refused"]
    if as_json:
        print_json([{"path": str(path), **receipt} for path, receipt in zip(files, receipts, strict=True)])
    else:
        out.print(f"{len(receipts) - len(refused)} received by {to}, {len(refused)} refused", highlight=False)
        for path, receipt in refused:
            out.print(f"  [yellow]refused:[/] {path}: {receipt['reason']}", highlight=False)
        if left:
            out.print(f"  {left} other files in the folders were left where they are")
    if refused:
        raise typer.Exit(1)


def _key(key: str, key_file: Path | None) -> str:
    if bool(key) == bool(key_file):
        raise ConfigurationError("Give one of --key and --key-file: a key with the scope intake, made there with `cartulary keys create`.")
    if key_file is None:
        return key
    if str(key_file) == "-":
        return sys.stdin.readline().strip()
    try:
        found = key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigurationError(f"The key cannot be read from {key_file}: {cause}.") from cause
    if not found:
        raise ConfigurationError(f"There is no key in {key_file}.")
    return found
