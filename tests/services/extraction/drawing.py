"""Draws small letters for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1000, 1400


def draw_letter(texts: Mapping[tuple[int, int], Sequence[str]], *, size: int = 30) -> Image.Image:
    """White page of 1000 x 1400 pixels with lines of Pillow's own font at the given corners."""
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size)
    for (left, top), lines in texts.items():
        for place, line in enumerate(lines):
            pen.text((left, top + place * int(size * 1.4)), line, font=font, fill=(30, 30, 40))
    return page


def german_letter() -> Image.Image:
    """Sender at the top left, recipient below, a place named in the text."""
    return draw_letter(
        {
            (80, 60): ["Anna Frick", "Dorfstrasse 5", "9490 Vaduz"],
            (80, 320): ["An die Gemeinde Schaan", "Gemeindeverwaltung", "9494 Schaan"],
            (600, 520): ["12.3.2026"],
            (80, 640): ["Sehr geehrte Damen und Herren,"],
            (80, 740): ["seit die Apotheke in der Hauptstrasse 12 in Triesen", "geschlossen ist, muss ich weit fahren."],
            (80, 900): ["Freundliche Grüsse"],
            (80, 1000): ["Anna Frick"],
        }
    )
