"""Runs dbt inside this process: parsed once, silent, its failures as sentences."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import nativetypes

from services.errors import ConfigurationError, PlatformError, PublishError
from services.settings import DBT_PROJECT_DIR
from services.warehouse.client import Warehouse
from services.warehouse.dbt_chdb import use_chdb, use_server

FAILED = ("error", "fail", "runtime error")
# Compiled models and the parsed project stay below data_dir; nothing is written into the project, nothing asks the network.
SILENT = ("--quiet", "--log-level", "none", "--log-level-file", "none", "--no-print", "--no-version-check")
NO_FILES = "--no-write-json"
DOCUMENTATION = "static_index.html"
# How dbt-clickhouse's connection announces a statement.
ADAPTER_SPEAKS, ABOUT_TO_ASK = "AdapterEventDebug", "On "


@dataclass(frozen=True)
class BuildOutcome:
    """What dbt did: how many models and tests ran, and a sentence for each that failed."""

    model_count: int
    test_count: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """The parsed project: the manifest's nodes that matter for building and publishing."""

    manifest: Any
    digest: str

    def _models(self) -> Iterator[Any]:
        return (node for node in self.manifest.nodes.values() if node.resource_type == "model")

    @property
    def gold(self) -> tuple[str, ...]:
        """Names of all gold models."""
        return tuple(sorted(node.name for node in self._models() if node.schema == "gold_next"))

    @property
    def growing(self) -> tuple[str, ...]:
        """Names of the models that change with letters and requests: neither views nor what depends on reference data alone."""
        return tuple(sorted(node.name for node in self._models() if node.config.materialized != "view" and "reference" not in node.tags))

    @property
    def incremental_gold(self) -> tuple[str, ...]:
        """Names of the gold models that a build adds to instead of making them anew."""
        return tuple(
            sorted(node.name for node in self._models() if node.schema == "gold_next" and node.config.materialized == "incremental")
        )


def project_digest(project_dir: Path = DBT_PROJECT_DIR) -> str:
    """SHA-256 over every file of the project that decides what a build makes, seeds included."""
    digest = hashlib.sha256()
    for path in sorted(path for path in project_dir.rglob("*") if path.suffix in {".sql", ".yml", ".csv"} and path.name != "sample.csv"):
        digest.update(path.relative_to(project_dir).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


class DbtRunner:
    """dbt on one warehouse. Not thread-safe, since dbt is not: the caller holds the build lock."""

    _project: Project | None = None

    def __init__(self, warehouse: Warehouse, work_dir: Path, project_dir: Path = DBT_PROJECT_DIR) -> None:
        self.project_dir = project_dir
        self._work_dir = work_dir
        if warehouse.directory is not None:
            self._target = "embedded"
            use_chdb(warehouse.directory, warehouse.settings.memory_bytes)
        else:
            self._target = "server"
            use_server(warehouse.settings)

    def project(self, digest: str) -> Project:
        """The parsed project; parsed again only when its files changed."""
        if DbtRunner._project is None or DbtRunner._project.digest != digest:
            result = self._invoke(["parse", *self._options(), NO_FILES], None)
            if not result.success:
                raise ConfigurationError(f"The dbt project in {self.project_dir} cannot be read: {result.exception or result.result}")
            DbtRunner._project = Project(result.result, digest)
        return DbtRunner._project

    def build(
        self, project: Project, select: Sequence[str], *, full_refresh: bool, check: Callable[[], None] = lambda: None
    ) -> BuildOutcome:
        """Build these models, all when none is named, and test each as soon as it is there; formulas are not tested (`check_formulas`).

        Before each statement `check` is asked: the PlatformError that it raises ends the build, and is raised.
        """
        arguments = ["build", *self._options(), NO_FILES, "--exclude-resource-type", "unit_test"]
        if select:
            arguments += ["--select", *select]
        if full_refresh:
            arguments.append("--full-refresh")
        return _outcome(self._invoke(arguments, project.manifest, check))

    def check_formulas(self, project: Project) -> BuildOutcome:
        """Run the models' unit tests, which need the tables but none of their rows."""
        return _outcome(self._invoke(["test", *self._options(), NO_FILES, "--select", "test_type:unit"], project.manifest))

    def document(self) -> Path:
        """Describe all models, tests and columns, and what the warehouse has of them, in one HTML file that needs no other; its path."""
        result = self._invoke(["docs", "generate", "--static", *self._options()], None)
        if not result.success:
            raise PublishError(f"dbt could not write its documentation: {result.exception or 'it gave no reason'}")
        return self._work_dir / DOCUMENTATION

    def _options(self) -> list[str]:
        directories = ["--project-dir", str(self.project_dir), "--profiles-dir", str(self.project_dir)]
        return [*directories, "--target-path", str(self._work_dir), "--log-path", str(self._work_dir), "--target", self._target, *SILENT]

    def _invoke(self, arguments: list[str], manifest: Any, check: Callable[[], None] = lambda: None) -> Any:
        from dbt.cli.main import dbtRunner  # takes over a second to import: not before the first build

        stopped: list[PlatformError] = []

        def watch(event: Any) -> None:
            # The adapter says what it is about to ask, and what is raised then fails the model or test. Raised where dbt says something
            # else it may kill the thread that works on a model, and dbt would wait for that model for ever.
            if not (event.info.name == ADAPTER_SPEAKS and event.data.base_msg.startswith(ABOUT_TO_ASK)):
                return
            try:
                check()
            except PlatformError as error:
                stopped.append(error)
                raise

        self._work_dir.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()), _one_parser_at_a_time():
            result = dbtRunner(manifest=manifest, callbacks=[watch]).invoke(arguments)
        if stopped:
            raise stopped[0]
        return result


@contextlib.contextmanager
def _one_parser_at_a_time() -> Iterator[None]:
    """Let dbt's threads parse what Jinja renders one after the other.

    Python 3.11 keeps the depth of ast.parse for the interpreter and not for each thread (python/cpython#106905): now and then one
    failed with "AST constructor recursion depth mismatch", and the build was red.
    """
    parse, lock = ast.parse, threading.RLock()

    def parse_alone(*arguments: Any, **options: Any) -> Any:
        with lock:
            return parse(*arguments, **options)

    try:
        vars(ast)["parse"] = vars(nativetypes)["parse"] = parse_alone
        yield
    finally:
        vars(ast)["parse"] = vars(nativetypes)["parse"] = parse


def _outcome(result: Any) -> BuildOutcome:
    runs = list(getattr(result.result, "results", None) or [])
    failures = tuple(_failure(run) for run in runs if str(run.status) in FAILED)
    if not result.success and not failures:
        failures = (str(result.exception or "dbt gave no reason"),)
    models = sum(run.node.resource_type in {"model", "seed"} for run in runs)
    return BuildOutcome(models, len(runs) - models, failures)


def _failure(run: Any) -> str:
    node = run.node
    what = f"{node.resource_type} {node.name}"
    tested = [name.split(".")[-1] for name in node.depends_on.nodes] if node.resource_type == "test" else []
    on = f" on {', '.join(tested)}" if tested else ""
    return f"{what}{on}: {' '.join(str(run.message).split())}"
