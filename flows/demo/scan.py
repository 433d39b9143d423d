"""From ink on a page to the picture that a scanner makes of it, and to the bytes of a file."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flows.demo.pen import Ink

Page = NDArray[np.uint8]  # (height, width) grey or (height, width, 3) RGB

DPI = 150
HEIGHT, WIDTH = 1754, 1240
# PDF files carry a date: a fixed one keeps the bytes the same from run to run.
PDF_DATE = time.struct_time((2026, 1, 1, 0, 0, 0, 3, 1, 0))


@dataclass(frozen=True)
class Scan:
    """How a page was scanned; `turns` quarter turns anticlockwise, `angle` in degrees, `noise` and `light` in grey levels."""

    angle: float = 1.5
    turns: int = 0
    wobble: float = 1.0
    noise: float = 8.0
    light: float = 25.0
    paper: tuple[int, int, int] = (232, 232, 232)
    ink: tuple[int, int, int] = (45, 45, 50)
    folds: bool = False
    quality: int = 62
    is_colour: bool = False
    damage: str = ""  # "blur", "smear", "stain" or ""


def blank() -> Ink:
    """A page of A4 at 150 dpi without ink."""
    return np.zeros((HEIGHT, WIDTH), dtype=np.uint8)


def scan(ink: Ink, how: Scan, rng: np.random.Generator, address_box: tuple[int, int, int, int]) -> Page:
    """Picture of the page; a stain falls on `address_box` (left, top, right, bottom in pixels of the page)."""
    strength = _pressed(ink, rng)
    if how.damage:
        strength = _damaged(strength, how.damage, rng, address_box)
    strength = _bent(strength, how, rng)
    light = _light(how, rng)
    if how.damage == "stain":
        light *= _bent(_stain(rng, address_box), how, rng, border=1.0)
    noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32) * how.noise
    channels = range(3) if how.is_colour else (1,)
    layers = [
        np.clip(light * (how.paper[channel] - strength * (how.paper[channel] - how.ink[channel])) + noise, 0, 255).astype(np.uint8)
        for channel in channels
    ]
    page = np.dstack(layers) if how.is_colour else layers[0]
    return np.ascontiguousarray(np.rot90(cv2.GaussianBlur(page, (0, 0), 0.6), how.turns))


def _pressed(ink: Ink, rng: np.random.Generator) -> NDArray[np.float32]:
    """Ink from 0 to 1, darker and lighter along the strokes."""
    pressure = 0.86 + 0.14 * _field(rng, 40)
    return np.asarray(ink.astype(np.float32) / 255 * np.clip(pressure, 0.6, 1.0), dtype=np.float32)


def _field(rng: np.random.Generator, cell: int) -> NDArray[np.float32]:
    """Smooth random values of about -1 to 1 over the page, changing over `cell` pixels."""
    coarse = rng.standard_normal((HEIGHT // cell + 2, WIDTH // cell + 2), dtype=np.float32) * 0.6
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _bent(layer: NDArray[np.float32], how: Scan, rng: np.random.Generator, border: float = 0.0) -> NDArray[np.float32]:
    """Turn the page by its angle and warp it elastically: wide waves of the paper, small ones of the hand."""
    angle = np.float32(np.radians(how.angle))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    rows -= HEIGHT / 2
    columns -= WIDTH / 2
    across = columns * np.cos(angle) - rows * np.sin(angle) + WIDTH / 2 + how.wobble * (3.0 * _field(rng, 260) + 0.9 * _field(rng, 26))
    down = columns * np.sin(angle) + rows * np.cos(angle) + HEIGHT / 2 + how.wobble * (4.0 * _field(rng, 260) + 0.9 * _field(rng, 26))
    return np.asarray(cv2.remap(layer, across, down, cv2.INTER_LINEAR, borderValue=border), dtype=np.float32)


def _light(how: Scan, rng: np.random.Generator) -> NDArray[np.float32]:
    """Brightness from about 0.8 to 1: uneven lamp, sometimes the shadow of two folds."""
    down, across = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None], np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :]
    slope = rng.uniform(-1, 1, 2)
    shade = np.float32(slope[0]) * down + np.float32(slope[1]) * across + 0.35 * _field(rng, 420)
    light = 1 - (shade - shade.min()) / (np.ptp(shade) + 1e-6) * (how.light / 232)
    if how.folds:
        for share in (1 / 3, 2 / 3):
            middle = share + float(rng.uniform(-0.01, 0.01))
            light *= 1 - 0.11 * np.exp(-(((down - middle) * HEIGHT / 2.2) ** 2)) - 0.035 * np.exp(-(((down - middle) * HEIGHT / 26) ** 2))
    return np.asarray(light, dtype=np.float32)


def _damaged(ink: NDArray[np.float32], damage: str, rng: np.random.Generator, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Make a page unreadable: out of focus, wiped while wet, or (stain) the ink of the address washed out."""
    if damage == "blur":
        return np.asarray(cv2.GaussianBlur(ink, (0, 0), 9.0) * 1.2, dtype=np.float32)
    if damage == "smear":
        wiped = cv2.blur(ink, (95, 3))
        return np.asarray(0.9 * cv2.GaussianBlur(wiped, (0, 0), 4.0), dtype=np.float32)
    left, top, right, bottom = box
    washed = ink.copy()
    part = washed[top:bottom, left:right]
    faded = 0.45 * cv2.blur(cv2.GaussianBlur(part, (0, 0), 8.0), (31, 9))
    washed[top:bottom, left:right] = faded + 0.1 * rng.random(part.shape, dtype=np.float32) * part
    return washed


def _stain(rng: np.random.Generator, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Brightness under a dried puddle: dark at its rim."""
    left, top, right, bottom = box
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    distance = np.hypot((columns - (left + right) / 2) / (right - left) * 1.5, (rows - (top + bottom) / 2) / (bottom - top) * 1.5)
    distance += 0.12 * _field(rng, 120)
    return np.asarray(1 - 0.08 * (distance < 1) - 0.14 * np.exp(-(((distance - 1) / 0.03) ** 2)), dtype=np.float32)


def encode(pages: Sequence[Page], suffix: str, quality: int) -> bytes:
    """Bytes of a .jpg, .png, .tif or .pdf file; several pages only in the last two. The same pages give the same bytes."""
    pictures = [Image.fromarray(page) for page in pages]
    first, rest = pictures[0], pictures[1:]
    buffer = io.BytesIO()
    if suffix == ".jpg":
        first.save(buffer, "JPEG", quality=quality, dpi=(DPI, DPI))
    elif suffix == ".png":
        # A phone app that stores 32 greys: keeps the file near 1 MB.
        first.point(lambda level: level & 0xF8).save(buffer, "PNG", compress_level=3, dpi=(DPI, DPI))
    elif suffix == ".tif":
        black = [_bilevel(page) for page in pages]
        black[0].save(buffer, "TIFF", compression="group4", dpi=(DPI, DPI), save_all=True, append_images=black[1:])
    else:
        dates = {"creationDate": PDF_DATE, "modDate": PDF_DATE}
        first.save(buffer, "PDF", quality=quality, resolution=DPI, save_all=True, append_images=rest, **dates)
    return buffer.getvalue()


def _bilevel(page: Page) -> Image.Image:
    """Black and white like an office fax: each pixel against its surroundings."""
    grey = page if page.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    black = cv2.adaptiveThreshold(smooth, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 41, 14)
    return Image.fromarray(black).convert("1", dither=Image.Dither.NONE)
