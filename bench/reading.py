"""The reading path (orientation, clean-up, second reading, address) against the OCR library alone, per page, and all cores against one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.demo.generate import generate_town
from services.extraction.base import Extraction, LetterFile
from services.extraction.ocr import OcrExtractor
from services.extraction.pages import open_page, page_count

LETTERS = 12
BOUND = 1.15
CORES_BOUND = 0.7
MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".tif": "image/tiff", ".pdf": "application/pdf"}


def _letters(folder: Path) -> list[LetterFile]:
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES][:LETTERS]
    return [LetterFile(path.name, path, MEDIA_TYPES[path.suffix], page_count(path, MEDIA_TYPES[path.suffix])) for path in paths]


def measure_library(folder: Path) -> float:
    """Seconds of the OCR library alone on the same pages, in one process with one thread, its models being loaded."""
    from rapidocr import RapidOCR

    threads = {"EngineConfig.onnxruntime.intra_op_num_threads": 1, "EngineConfig.onnxruntime.inter_op_num_threads": 1}
    ocr = RapidOCR(params={"Global.use_cls": False, "Global.log_level": "error", **threads})
    letters = _letters(folder)
    ocr(open_page(letters[0].path, letters[0].media_type, 1).image)
    started = time.perf_counter()
    for letter in letters:
        for page in range(1, letter.pages + 1):
            ocr(open_page(letter.path, letter.media_type, page).image)
    return time.perf_counter() - started


def measure_path(folder: Path, workers: int) -> float:
    """Seconds of the whole reading path with so many processes, their models being loaded."""
    letters = _letters(folder)
    extractor = OcrExtractor(workers=workers)
    try:
        list(extractor.extract(letters[: workers * 2]))
        started = time.perf_counter()
        answers = dict(extractor.extract(letters))
        seconds = time.perf_counter() - started
    finally:
        extractor.close()
    unread = [name for name, answer in answers.items() if not isinstance(answer, Extraction)]
    if unread:
        raise SystemExit(f"not read: {unread}")
    return seconds


def _apart(what: str, folder: Path) -> float:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "bench.reading", what, str(folder)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main() -> bool:
    """Print the ratios; whether they are within their bounds."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as directory:
        generate_town(1, Path(directory))
        folder = Path(directory) / "letters"
        library, one, library_again, every = (_apart(what, folder) for what in ("library", "1", "library", str(cores)))
    path_ratio = one / ((library + library_again) / 2)
    cores_ratio = one / every / cores
    sys.stdout.write(f"{LETTERS} letters, OCR library alone 1.00, reading path in one process {path_ratio:.2f} (bound {BOUND})\n")
    sys.stdout.write(f"speed with {cores} processes over {cores} times the speed with one: {cores_ratio:.2f} (bound {CORES_BOUND})\n")
    return path_ratio <= BOUND and cores_ratio >= CORES_BOUND


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    sys.stdout.write(f"{measure_library(folder) if what == 'library' else measure_path(folder, int(what))}\n")
