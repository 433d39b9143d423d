"""Every line of the log names its run, and with JSON every line is one object."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextvars import copy_context
from threading import Thread

import pytest
from rich.console import Console

from services.logs import start_logging
from services.settings import LogSettings
from services.tracing import run_scope


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(settings: LogSettings, *, verbose: bool = True, is_terminal: bool = False) -> list[str]:
    """What three records of one run and one outside of any look like."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200)
    start_logging(settings, console, verbose=verbose)
    logger = logging.getLogger("flows.steps.load")
    with run_scope("run-1"):
        logger.info("landed %d rows of %s", 3, "Häuser\nund Höfe")
        thread = Thread(target=copy_context().run, args=(logger.info, "from a thread"))
        thread.start()
        thread.join()
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("A step failed")
    logger.warning("no run")
    logging.getLogger("httpx").info("GET https://example.org/search?street=Feldweg")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_json_lines_are_objects_with_the_run() -> None:
    found = [json.loads(line) for line in lines(LogSettings(format="json"))]
    assert [line["run_id"] for line in found] == ["run-1", "run-1", "run-1", "-"]
    assert found[0]["message"] == "landed 3 rows of Häuser\nund Höfe"
    assert found[0] | {"at": "", "message": ""} == {
        "at": "",
        "level": "info",
        "logger": "flows.steps.load",
        "run_id": "run-1",
        "message": "",
    }
    assert found[0]["at"].endswith("+00:00")
    assert "ValueError: broken" in found[2]["trace"]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_text_lines_name_the_run(is_terminal: bool) -> None:
    found = "\n".join(lines(LogSettings(), is_terminal=is_terminal))
    assert "[run-1]" in re.sub(r"\x1b\[[0-9;]*m", "", found)
    assert "from a thread" in found
    assert "example.org" not in found


def test_only_warnings_are_told_unless_asked_for_more() -> None:
    assert [line.rpartition(" ")[2] for line in lines(LogSettings(), verbose=False) if "[-]" in line] == ["run"]
    assert not any("from a thread" in line for line in lines(LogSettings(), verbose=False))
    assert any("from a thread" in line for line in lines(LogSettings(level="debug"), verbose=True))
