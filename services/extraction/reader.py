"""Reads lines of text from a page with RapidOCR, whose models lie inside its package: nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.extraction.base import Line, Pixels
from services.extraction.pages import turn
from services.extraction.preparation import even_light

# Lines are found on a page of this size and cut from the full one: finding costs half the time, reading loses nothing.
FIND_SIDE = 1280
# Below this mean score the page may lie on its side or head (upright pages: .90 and more, upside down: about .72).
PROBE_SCORE = 0.85
PROBE_LINES = 5
_MIN_LINE_SCORE = 0.5
_CROP_HEIGHT = 64
# Cuts of one line as (margin in heights at the sides, above and below, stretch): tight and stretched cuts read hand-like fonts
# best, and each makes other mistakes than the first reading.
FIRST_CUT = (0.02, -0.02, 1.0)
SECOND_CUTS = ((0.1, 0.05, 1.4), (0.05, -0.06, 1.0))
DOUBT_CUTS = ((0.05, -0.04, 1.2), (0.1, 0.05, 1.0), (0.05, -0.06, 1.5))

Quad = NDArray[np.float32]


@dataclass(frozen=True)
class PageReading:
    """Lines of one page, and what is needed to read some of them again."""

    lines: tuple[Line, ...]
    quads: tuple[Quad, ...]
    page: Pixels
    clean: Pixels
    rotation: int

    @property
    def mean_score(self) -> float:
        """Mean score of the lines, weighted by their length; 0 without lines."""
        weights = [len(line.text) for line in self.lines]
        return float(np.average([line.score for line in self.lines], weights=weights)) if self.lines else 0.0


def cut(image: Pixels, quad: Quad, side: float, above: float, stretch: float) -> Pixels:
    """Cut one line out, level, 64 pixels high; margins are in heights of the line, `stretch` widens the letters."""
    width = max(float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[2] - quad[3])), 1.0)
    height = max(float(np.linalg.norm(quad[3] - quad[0])), float(np.linalg.norm(quad[2] - quad[1])), 1.0)
    along, down = (quad[1] - quad[0]) / width, (quad[3] - quad[0]) / height
    dx, dy = along * side * height, down * above * height
    corners = np.array([quad[0] - dx - dy, quad[1] + dx - dy, quad[2] + dx + dy, quad[3] - dx + dy], np.float32)
    cut_width = max(int((width + 2 * side * height) / (height * (1 + 2 * above)) * _CROP_HEIGHT * stretch), 16)
    target = np.array([[0, 0], [cut_width, 0], [cut_width, _CROP_HEIGHT], [0, _CROP_HEIGHT]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    size = (cut_width, _CROP_HEIGHT)
    piece = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(piece, dtype=np.uint8)


class LineReader:
    """One RapidOCR with one thread; not to be shared between threads."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR  # here, so that only reader processes pay for it (1 s, 700 MB)

        cv2.setNumThreads(1)
        self._ocr: Any = RapidOCR(
            params={
                "Global.use_cls": False,  # it turns good lines on their heads; pages are probed instead
                "Global.log_level": "error",
                "Global.return_word_box": True,  # gives a score per character
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    @staticmethod
    def model() -> str:
        """Name of the models inside the package."""
        return "PP-OCRv6 small"

    @staticmethod
    def version() -> str:
        """Version of the library that carries the models."""
        return f"rapidocr {version('rapidocr')}"

    def find(self, image: Pixels) -> list[Quad]:
        """Find lines of text: corners of each, clockwise from top left, in pixels of the image given."""
        shrink = min(1.0, FIND_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image
        found = self._ocr._load_det_model()(small)
        return [] if found.boxes is None else [np.asarray(box, np.float32) / shrink for box in found.boxes]

    def recognize(self, pieces: Sequence[Pixels]) -> list[tuple[str, float, tuple[float, ...]]]:
        """Read pieces with one line each: text, mean score, score per character."""
        if not pieces:
            return []
        answer = self._ocr.recognize_txt(list(pieces))
        return [
            (text, float(score), tuple(float(value) for value in words.confs[: len(text)]))
            for text, score, words in zip(answer.txts, answer.scores, answer.word_results, strict=True)
        ]

    def read_upright(self, image: Pixels, number: int, rotation: int = 0) -> PageReading:
        """Read a page as it lies."""
        clean = even_light(image)
        quads = self.find(clean)
        angle = _mean_angle(quads)
        read = self.recognize([cut(clean, quad, *FIRST_CUT) for quad in quads])
        kept = [
            (quad, text, score, scores)
            for quad, (text, score, scores) in zip(quads, read, strict=True)
            if text.strip() and score >= _MIN_LINE_SCORE
        ]
        lines = tuple(_line(quad, angle, text, score, scores, number, index) for index, (quad, text, score, scores) in enumerate(kept))
        return PageReading(lines=lines, quads=tuple(item[0] for item in kept), page=image, clean=clean, rotation=rotation)

    def read(self, image: Pixels, number: int) -> PageReading:
        """Read a page; when it reads badly, find out from a few lines how it lies, and read it that way if that is better."""
        first = self.read_upright(image, number)
        on_side = _stands_on_side(first.quads)
        if not first.lines or (first.mean_score >= PROBE_SCORE and not on_side):
            return first
        rotation = self._probe(first, (90, 270) if on_side else (0, 180))
        if rotation == 0:
            return first
        other = self.read_upright(turn(image, rotation), number, rotation)
        return other if _worth(other) > _worth(first) else first

    def _probe(self, reading: PageReading, rotations: Sequence[int]) -> int:
        """The rotation in which the longest lines read best: a few lines cost a twentieth of the page."""
        longest = sorted(reading.quads, key=lambda quad: -float(np.ptp(quad, axis=0).max()))[:PROBE_LINES]
        scores = {}
        for rotation in rotations:
            read = self.recognize([turn(_box_of(reading.clean, quad), rotation) for quad in longest])
            scores[rotation] = sum(len(text) * score**2 for text, score, _ in read)
        return max(scores, key=lambda rotation: scores[rotation])

    def read_again(self, reading: PageReading, indices: Sequence[int], cuts: Sequence[tuple[float, float, float]]) -> list[list[Line]]:
        """Read some lines again, cut in other ways, every second time from the page as it came; one list per line."""
        images = (reading.clean, reading.page)
        pieces = [cut(images[n % 2], reading.quads[index], *way) for index in indices for n, way in enumerate(cuts)]
        read = self.recognize(pieces)
        answers: list[list[Line]] = []
        for position, index in enumerate(indices):
            first = reading.lines[index]
            part = read[position * len(cuts) : (position + 1) * len(cuts)]
            answers.append([_replaced(first, text, score, scores) for text, score, scores in part])
        return answers


def _box_of(image: Pixels, quad: Quad) -> Pixels:
    """The upright box around a line's corners."""
    left, top = np.maximum(quad.min(axis=0), 0).astype(int)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int)
    return image[top : max(bottom, top + 8), left : max(right, left + 8)]


def _replaced(line: Line, text: str, score: float, scores: tuple[float, ...]) -> Line:
    return Line(text, score, line.left, line.top, line.right, line.bottom, line.page, line.index, scores)


def _worth(reading: PageReading) -> float:
    """Letters that were read well, so that three good words on a wrong side do not beat a whole page."""
    standing = 0.5 if _stands_on_side(reading.quads) else 1.0
    return standing * sum(len(line.text) * max(line.score - 0.5, 0.0) ** 2 for line in reading.lines)


def _stands_on_side(quads: Sequence[Quad]) -> bool:
    """Most long lines are taller than wide: the page lies on its side."""
    shapes = [(np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[3] - quad[0])) for quad in quads]
    long = [tall > wide for wide, tall in shapes if max(wide, tall) > 3 * min(wide, tall)]
    return len(long) >= 2 and sum(long) > len(long) / 2


def _mean_angle(quads: Sequence[Quad]) -> float:
    """Median slope of the long lines, in radians: the skew of the page."""
    slopes = [
        np.arctan2(*(quad[1] - quad[0])[::-1])
        for quad in quads
        if np.linalg.norm(quad[1] - quad[0]) > 4 * np.linalg.norm(quad[3] - quad[0])
    ]
    return float(np.median(slopes)) if slopes else 0.0


def _line(quad: Quad, angle: float, text: str, score: float, scores: tuple[float, ...], page: int, index: int) -> Line:
    """A line in the coordinates of the unskewed page: turned back about the page's corner, then upright."""
    cos, sin = float(np.cos(-angle)), float(np.sin(-angle))
    level = quad @ np.array([[cos, sin], [-sin, cos]], np.float32)
    left, right = float(level[[0, 3], 0].mean()), float(level[[1, 2], 0].mean())
    top, bottom = float(level[[0, 1], 1].mean()), float(level[[2, 3], 1].mean())
    return Line(text, score, left, top, right, bottom, page, index, scores)
