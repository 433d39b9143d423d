"""kill -9 at random moments of load and run, and once more to the end: the same rows, nothing lost, nothing twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.demo.generate import generate_town

KILLS = 12
# Longest time that a child works, in seconds: from its first file into the build of gold.
LONGEST = 6.0


def _start(data_dir: Path, town: Path, letters: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("kill_worker.py")), str(data_dir), str(town), str(letters)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _to_the_end(data_dir: Path, town: Path, letters: int) -> dict[str, object]:
    child = _start(data_dir, town, letters)
    output, errors = child.communicate(timeout=280)
    assert child.returncode == 0, errors
    result: dict[str, object] = json.loads(output.splitlines()[-1])
    return result


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_moments_and_run_again_gives_the_same_rows(tmp_path: Path) -> None:
    town = tmp_path / "town"
    generate_town(1, town)
    choose = random.Random(4711)
    for kill in range(KILLS):
        # One letter more each time, so that there is always something to be interrupted.
        child = _start(tmp_path / "killed", town, letters=1 + kill // 4)
        assert child.stdout
        assert child.stdout.readline() == "at work\n"
        time.sleep(choose.uniform(0.0, LONGEST))
        child.send_signal(signal.SIGKILL)
        child.communicate()
    letters = 1 + (KILLS - 1) // 4
    killed = _to_the_end(tmp_path / "killed", town, letters)
    assert killed == _to_the_end(tmp_path / "whole", town, letters)
