"""The offline reader for real: letters drawn here, read in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from services.errors import ExtractionError
from services.extraction.base import Extraction, LetterFile
from services.extraction.ocr import OcrExtractor, reader_count
from services.settings import PROJECT_ROOT
from tests.services.extraction.drawing import HEIGHT, WIDTH, draw_letter, german_letter


@pytest.fixture(scope="module")
def reader() -> Iterator[OcrExtractor]:
    reader = OcrExtractor(workers=1)
    yield reader
    reader.close()


def read(reader: OcrExtractor, page: Image.Image, path: Path) -> Extraction:
    page.save(path)
    [(letter_id, answer)] = list(reader.extract([LetterFile("it", path, "image/png")]))
    assert letter_id == "it"
    assert isinstance(answer, Extraction)
    return answer


def test_reads_a_letter(reader: OcrExtractor, tmp_path: Path) -> None:
    found = read(reader, german_letter(), tmp_path / "a.png")
    assert (found.outcome, found.sender_name) == ("read", "Anna Frick")
    assert (found.street, found.housenumber, found.postcode, found.city) == ("Dorfstrasse", "5", "9490", "Vaduz")
    assert (found.letter_date, found.language, found.facility_kind) == (date(2026, 3, 12), "de", "pharmacy")
    assert min(found.street_score, found.city_score, found.agreement_score, found.sender_score) >= 0.9
    assert (found.address_page, found.page_rotations) == (1, (0,))
    left, top, right, bottom = found.address_box
    assert left < 80 / WIDTH < right and top < 60 / HEIGHT < bottom < 0.3
    assert "Hauptstrasse 12" in found.text
    assert json.loads(found.raw)["readings"]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pages_that_lie_wrong_are_turned(reader: OcrExtractor, tmp_path: Path, degrees: int) -> None:
    found = read(reader, german_letter().rotate(degrees, expand=True), tmp_path / "a.png")
    assert (found.street, found.housenumber, found.city) == ("Dorfstrasse", "5", "Vaduz")
    assert found.page_rotations == (degrees,)


def test_many_pages_of_a_pdf(reader: OcrExtractor, tmp_path: Path) -> None:
    other = draw_letter({(80, 80): ["Die Kinder haben einen weiten Weg."]})
    german_letter().save(tmp_path / "a.pdf", save_all=True, append_images=[other], resolution=120)
    [(_, found)] = list(reader.extract([LetterFile("it", tmp_path / "a.pdf", "application/pdf", pages=2)]))
    assert isinstance(found, Extraction)
    assert (found.street, found.address_page, len(found.page_rotations)) == ("Dorfstrasse", 1, 2)
    assert "weiten Weg" in found.text


def test_an_empty_page_is_unreadable(reader: OcrExtractor, tmp_path: Path) -> None:
    found = read(reader, Image.new("RGB", (400, 500), "white"), tmp_path / "a.png")
    assert (found.outcome, found.street, found.address_box) == ("unreadable", "", ())


def test_a_broken_file_is_a_lasting_error_and_the_rest_is_read(reader: OcrExtractor, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    german_letter().save(tmp_path / "good.png")
    letters = [LetterFile("broken", tmp_path / "broken.png", "image/png"), LetterFile("good", tmp_path / "good.png", "image/png")]
    answers = dict(reader.extract(letters))
    assert isinstance(answers["broken"], ExtractionError) and not answers["broken"].retryable
    assert isinstance(answers["good"], Extraction)


def test_a_process_that_dies_is_replaced_and_its_letter_may_be_tried_again(tmp_path: Path) -> None:
    reader = OcrExtractor(workers=1)

    def kill_once_busy() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if reader._workers and reader._workers[0].letter is not None:
                os.kill(reader._workers[0].process.pid or 0, signal.SIGKILL)
                return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_once_busy, daemon=True)
    try:
        german_letter().save(tmp_path / "good.png")
        os.mkfifo(tmp_path / "endless.png")  # opening it waits for ever: only its process's death ends it
        killer.start()
        letters = [LetterFile(name, tmp_path / f"{name}.png", "image/png") for name in ("endless", "good")]
        answers = dict(reader.extract(letters))
        assert isinstance(answers["endless"], ExtractionError) and answers["endless"].retryable
        assert "exit code -9" in str(answers["endless"])
        assert isinstance(answers["good"], Extraction)
    finally:
        killer.join()
        reader.close()


def test_a_process_that_hangs_is_replaced_and_its_letter_may_be_tried_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.png")  # opening it waits for ever
    reader = OcrExtractor(workers=1, letter_seconds=1, page_seconds=0.5)
    try:
        [(letter_id, answer)] = reader.extract([LetterFile("endless", tmp_path / "endless.png", "image/png", pages=2)])
        assert letter_id == "endless"
        assert isinstance(answer, ExtractionError) and answer.retryable
        assert "more than 2 s for endless.png and was stopped; it will be tried again" in str(answer)
        assert [worker.process.is_alive() for worker in reader._workers] == [True]
    finally:
        reader.close()


def test_closing_does_not_wait_for_a_letter_that_hangs(tmp_path: Path) -> None:
    """As after Ctrl-C: the letters are asked for, but nobody takes their answers any more."""
    os.mkfifo(tmp_path / "endless.png")
    (tmp_path / "broken.png").write_bytes(b"broken")
    reader = OcrExtractor(workers=2)
    answers = reader.extract([LetterFile(name, tmp_path / f"{name}.png", "image/png") for name in ("endless", "broken")])
    assert next(answers)[0] == "broken"
    hanging = [worker.process for worker in reader._workers if worker.letter]
    started = time.monotonic()
    reader.close()
    assert time.monotonic() - started < 10
    hanging[0].join(5)
    assert [process.is_alive() for process in hanging] == [False]
    answers.close()  # type: ignore[attr-defined]
    reader.close()


def test_own_addresses_reach_the_processes_and_change_the_version(reader: OcrExtractor, tmp_path: Path) -> None:
    other = OcrExtractor(workers=1, own=["Dorfstrasse 5, 9490 Vaduz"])
    try:
        found = read(other, german_letter(), tmp_path / "a.png")
        assert (found.outcome, found.street) == ("read", "")
        assert other.version.startswith(f"{reader.version} own ")
    finally:
        other.close()


PARENT = """
import signal
import sys
from pathlib import Path
from services.extraction.base import LetterFile
from services.extraction.ocr import OcrExtractor

if __name__ == "__main__":
    # A test run in the background of a shell is deaf to SIGINT, and so are its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    letters = [LetterFile(str(n), Path(sys.argv[1]), "image/png") for n in range(50)]
    for _ in OcrExtractor(workers=1).extract(letters):
        print("read", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_processes_end_quietly_with_their_parent(tmp_path: Path, end: signal.Signals) -> None:
    german_letter().save(tmp_path / "a.png")
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    arguments = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "a.png")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    with subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "read\n"
        if end == signal.SIGINT:
            os.killpg(parent.pid, end)  # as Ctrl-C does: to parent and readers alike
        else:
            parent.send_signal(end)
        errors = parent.communicate(timeout=60)[1]  # returns when the readers, which hold the pipe, are gone too
    assert "BrokenPipe" not in errors
    assert "letter-reader" not in errors
    assert errors.count("Traceback") <= (1 if end == signal.SIGINT else 0)  # the parent's own KeyboardInterrupt


def test_nothing_to_read_starts_no_process() -> None:
    reader = OcrExtractor(workers=2)
    assert list(reader.extract([])) == []
    assert reader._workers == []
    reader.close()


def test_names_say_what_read_the_letter() -> None:
    reader = OcrExtractor(workers=1)
    assert reader.name == "ocr"
    assert reader.version.startswith("rapidocr ")
    assert reader.model
    assert 1 <= reader_count() <= (os.cpu_count() or 1)
