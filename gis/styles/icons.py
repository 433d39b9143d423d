"""A facility kind's pictogram as SVG: a rounded square in ink, as the portal draws it."""

from __future__ import annotations

from xml.sax.saxutils import escape

from gis.styles.model import Pictogram, palette, style_file

# 52 units wide as the portal's; its pictogram of 24 units is drawn 1.4 times as large, in the middle.
FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="52" height="52" viewBox="0 0 52 52">'
    '<rect width="52" height="52" rx="13" fill="{on_ink}"/><rect x="4" y="4" width="44" height="44" rx="10" fill="{ink}"/>{glyph}</svg>'
)
SHAPE = (
    '<g transform="translate(9.2 9.2) scale(1.4)"><path d="{fill}" fill="{on_ink}"/>'
    '<path d="{stroke}" fill="none" stroke="{on_ink}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/></g>'
)
LETTER = (
    '<text x="26" y="36" font-family="sans-serif" font-weight="bold" font-size="28" text-anchor="middle" fill="{on_ink}">{letter}</text>'
)


def icon_name(kind: str) -> str:
    """The file name of a kind's icon beside GeoServer's styles."""
    return f"kind_{kind}.svg"


def icon_svg(kind: str) -> str:
    """The icon; a kind that nobody drew shows its first letter."""
    inks = {name: palette()[name] for name in ("ink", "on_ink")}
    pictogram = style_file("facilities").pictograms.get(kind)
    if pictogram is None:
        return FRAME.format(glyph=LETTER.format(letter=escape(kind[:1].upper() or "?"), **inks), **inks)
    return FRAME.format(glyph=_drawn(pictogram, inks), **inks)


def _drawn(pictogram: Pictogram, inks: dict[str, str]) -> str:
    return SHAPE.format(fill=pictogram.fill or "M0 0", stroke=pictogram.stroke or "M0 0", **inks)
