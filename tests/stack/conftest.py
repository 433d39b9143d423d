"""The whole stack in containers: `make test-stack`. It needs Docker and some minutes, so that `make test` leaves it alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

WANTED = "CARTULARY_TESTS_STACK"
if not os.environ.get(WANTED):
    collect_ignore_glob = ["*"]
else:
    sys.path.insert(0, str(Path(__file__).parent))
    from stack import Stack, kept_stack, private_stack
    from standins import NOT_HERE
    from town import Town
    from web import Web

    # From the first start to the last restore: what comes later finds what came before.
    ORDER = ("test_start", "test_way_through", "test_doors", "test_tools", "test_survival", "test_backup")
    _finished: list[Stack] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """In the order of the story."""
        items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else -1)

    @pytest.fixture(scope="session")
    def stack() -> Iterator[Stack]:
        """The stack, started from nothing, or one that was kept."""
        has_standins = os.environ.get("STANDINS", "1") != "0"
        if kept := os.environ.get("STACK"):
            yield kept_stack(Path(kept), has_standins=has_standins)
            return
        with private_stack(has_standins=has_standins, keep=bool(os.environ.get("KEEP"))) as running:
            _finished.append(running)
            yield running

    @pytest.fixture(scope="session")
    def web(stack: Stack) -> Web:
        """Somebody outside, without credentials."""
        return stack.web()

    @pytest.fixture(scope="session")
    def town(stack: Stack, web: Web) -> Town:
        """What was handed in so far, and by whom."""
        return Town.found(stack, web)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A failure is shown with what the containers said."""
        report = yield
        if report.failed and _finished:
            try:
                said = _finished[0].complaints()
            except (AssertionError, subprocess.SubprocessError) as error:
                said = f"nobody could say: {error}"
            report.sections.append(("containers", said or "all are up and healthy"))
        return report

    def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
        """How long each service took, and its memory."""
        for running in _finished:
            terminalreporter.section("start-up and memory")
            for line in running.measure.table():
                terminalreporter.write_line(line)
            if running.has_standins:
                terminalreporter.write_line("with stand-ins: these figures say nothing about the official images of the same names")
                left = ", ".join(sorted(NOT_HERE))
                terminalreporter.write_line(f"not run, since no program of theirs is in Debian or on PyPI: {left}, and the extras")
