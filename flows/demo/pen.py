"""Hand-like writing with Pillow's built-in font: every glyph is bent on its own before it is drawn."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Ink = NDArray[np.uint8]  # (height, width), 0 = bare paper, 255 = full ink

SUPERSAMPLING = 3
# Of the large picture of a glyph, in letter sizes of the page: capitals with an accent need 1.1 times 3.
GLYPH_BASELINE, GLYPH_HEIGHT = 4, 6
# The built-in font knows ASCII only: accents are drawn on top, as a hand does.
MARKS = {"\u0300", "\u0301", "\u0302", "\u0308", "\u0327"}


@dataclass(frozen=True)
class Hand:
    """How somebody writes; angles in degrees, the rest as shares of the letter height."""

    name: str
    size: int = 34
    slant: float = 0.0
    slant_jitter: float = 0.0
    turn_jitter: float = 0.0
    size_jitter: float = 0.0
    baseline_jitter: float = 0.0
    spacing: float = 0.0
    spacing_jitter: float = 0.0
    width: float = 1.0
    thinning: int = 0
    word_space: float = 0.3


HANDS = (
    Hand("typed", size=32),
    Hand("upright", 36, 2, 2.5, 1.6, 0.03, 0.02, 0.02, 0.02, 0.98, 3, 0.4),
    Hand("slanted", 37, 13, 2.5, 1.6, 0.03, 0.02, 0.015, 0.018, 0.92, 3, 0.38),
    Hand("round", 35, -4, 3.0, 2.0, 0.04, 0.025, 0.02, 0.022, 1.14, 3, 0.42),
    Hand("shaky", 38, 5, 4.5, 3.2, 0.055, 0.04, 0.025, 0.026, 0.98, 3, 0.45),
)


@dataclass
class Pen:
    """Draws lines of one hand; `rng` gives the jitter."""

    hand: Hand
    rng: np.random.Generator
    _glyphs: dict[str, tuple[Ink, float]] = field(default_factory=dict)

    @property
    def line_height(self) -> int:
        """Distance between two baselines in pixels."""
        return round(self.hand.size * 1.5)

    def advance(self, character: str) -> float:
        """Width in pixels that a character takes on average."""
        if character == " ":
            return self.hand.size * self.hand.word_space
        return self._glyph(character)[1] * self.hand.width + self.hand.size * self.hand.spacing

    def width(self, text: str) -> float:
        """Width of a line in pixels."""
        return sum(self.advance(character) for character in text)

    def wrap(self, text: str, limit: float) -> list[str]:
        """Break at spaces into lines no wider than `limit` pixels."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self.width(longer) > limit:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def write(self, ink: Ink, text: str, left: float, baseline: float) -> None:
        """Draw one line into `ink` with its baseline at the given height."""
        drift = float(self.rng.normal(0, self.hand.baseline_jitter * 0.25))
        x = left
        for character in text:
            if character != " ":
                fall = float(self.rng.normal(0, self.hand.baseline_jitter)) * self.hand.size + drift * (x - left) * 0.1
                self._stamp(ink, character, x, baseline + fall)
            x += self.advance(character) + float(self.rng.normal(0, self.hand.spacing_jitter)) * self.hand.size

    def _stamp(self, ink: Ink, character: str, x: float, baseline: float) -> None:
        """Bend one glyph and lay it onto the page."""
        glyph, _ = self._glyph(character)
        hand, size = self.hand, self.hand.size
        shear = math.tan(math.radians(hand.slant + float(self.rng.normal(0, hand.slant_jitter))))
        turn = math.radians(float(self.rng.normal(0, hand.turn_jitter)))
        grow = (1 + float(self.rng.normal(0, hand.size_jitter))) / SUPERSAMPLING
        turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        bend = turned @ np.array([[hand.width, -shear], [0, 1]]) * grow
        # Where the glyph's own origin (left end of its baseline) lies in the cache image, and where it goes on the page.
        origin = np.array([size, GLYPH_BASELINE * size])
        column, row = int(x) - size, int(baseline) - 2 * size
        target = np.array([x - column, baseline - row])
        matrix = np.column_stack([bend, target - bend @ origin])
        patch = cv2.warpAffine(glyph, matrix, (3 * size + size, 3 * size), flags=cv2.INTER_AREA | cv2.INTER_LINEAR)
        top, first = max(row, 0), max(column, 0)
        bottom, last = min(row + patch.shape[0], ink.shape[0]), min(column + patch.shape[1], ink.shape[1])
        if top < bottom and first < last:
            view = ink[top:bottom, first:last]
            np.maximum(view, patch[top - row : bottom - row, first - column : last - column], out=view)

    def _glyph(self, character: str) -> tuple[Ink, float]:
        """Large picture of a character with room for accents and tails, and its width in pixels of the page."""
        if character not in self._glyphs:
            self._glyphs[character] = self._draw(character)
        return self._glyphs[character]

    def _draw(self, character: str) -> tuple[Ink, float]:
        size = self.hand.size
        scale = size * SUPERSAMPLING
        font = ImageFont.load_default(scale)
        base, *marks = list(unicodedata.normalize("NFD", character))
        picture = Image.new("L", (round(1.5 * scale) + size, GLYPH_HEIGHT * size))
        draw = ImageDraw.Draw(picture)
        draw.text((size, GLYPH_BASELINE * size), base, font=font, fill=255, anchor="ls")
        box = draw.textbbox((size, GLYPH_BASELINE * size), base, font=font, anchor="ls")
        for mark in marks:
            if mark not in MARKS:
                raise ValueError(f"The pen cannot draw {character!r}: use a letter with one of the usual accents.")
            _accent(draw, mark, box, scale)
        pixels = np.asarray(picture, dtype=np.uint8)
        if self.hand.thinning:
            pixels = cv2.erode(pixels, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (self.hand.thinning, self.hand.thinning)))
            pixels = cv2.GaussianBlur(pixels, (0, 0), 1.2)
        return pixels, font.getlength(base) / SUPERSAMPLING


def _accent(draw: ImageDraw.ImageDraw, mark: str, box: tuple[float, float, float, float], scale: int) -> None:
    """One accent over (or the cedilla under) the letter with the given box; lengths as shares of the letter height."""
    left, top, right, bottom = box
    middle, above = (left + right) / 2, top - 0.08 * scale
    thick = round(0.085 * scale)
    reach = 0.1 * scale
    if mark == "\u0308":
        for x in (middle - 1.15 * reach, middle + 1.15 * reach):
            draw.ellipse((x - 0.055 * scale, above - 0.11 * scale, x + 0.055 * scale, above), fill=255)
    elif mark == "\u0327":
        draw.line((middle, bottom, middle + 0.3 * reach, bottom + 0.8 * reach, middle - reach, bottom + 1.5 * reach), fill=255, width=thick)
    else:
        rise = {"\u0301": [(-reach, 0.0), (reach, -1.3 * reach)], "\u0300": [(-reach, -1.3 * reach), (reach, 0.0)]}
        corners = rise.get(mark, [(-1.3 * reach, 0.0), (0.0, -1.2 * reach), (1.3 * reach, 0.0)])
        draw.line([(middle + x, above + y) for x, y in corners], fill=255, width=thick)
