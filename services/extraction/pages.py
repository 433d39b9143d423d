"""Opens the pages of letters (JPEG, PNG, TIFF with many pages, PDF) as pixels, and draws them for the review desk."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pypdfium2
from PIL import Image, ImageOps, UnidentifiedImageError

from services.errors import ExtractionError, NotFoundError
from services.extraction.base import PageImage, Pixels

PDF = "application/pdf"
# 200 dpi of A4: the reader scales pages to at most 2000 pixels anyway, so finer drawing is time without gain.
PDF_DPI = 200
MAX_SIDE = 3000
# Senders write their address on the first pages or at the end; pages between are read for neither.
MAX_PAGES_READ = 6
# PDFium is documented as not thread-safe.
pdfium_lock = threading.Lock()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn every decoder's complaint into ours."""
    try:
        yield
    except (
        pypdfium2.PdfiumError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
    ) as cause:
        raise ExtractionError(f"{path.name} cannot be decoded ({cause}); ask the sender for another copy") from cause


def page_count(path: Path, media_type: str) -> int:
    """Count the pages of a letter's file; raises ExtractionError if it cannot be decoded."""
    with _readable(path):
        if media_type == PDF:
            with pdfium_lock, pypdfium2.PdfDocument(path) as document:
                return len(document)
        with Image.open(path) as image:
            return int(getattr(image, "n_frames", 1))


def pages_to_read(count: int) -> list[int]:
    """Which of a letter's pages to read, from 1: all, or the first ones and the last."""
    if count <= MAX_PAGES_READ:
        return list(range(1, max(count, 1) + 1))
    return [*range(1, MAX_PAGES_READ), count]


def _pdf_page(path: Path, number: int, max_side: int) -> Pixels:
    with pdfium_lock, pypdfium2.PdfDocument(path) as document:
        if not 1 <= number <= len(document):
            raise NotFoundError(f"{path.name} has {len(document)} pages, not {number}")
        page = document[number - 1]
        scale = min(PDF_DPI / 72, max_side / max(page.get_width(), page.get_height(), 1))
        return np.array(page.render(scale=scale, rev_byteorder=False).to_pil().convert("RGB"))


def _image_page(path: Path, number: int, max_side: int) -> Pixels:
    with Image.open(path) as image:
        frames = int(getattr(image, "n_frames", 1))
        if not 1 <= number <= frames:
            raise NotFoundError(f"{path.name} has {frames} pages, not {number}")
        if image.format == "JPEG":
            # The decoder halves while decoding: a 48-megapixel photo costs a quarter of the time and memory.
            image.draft("RGB", (max_side, max_side))
        image.seek(number - 1)
        upright = ImageOps.exif_transpose(image)
        flat = _on_white(upright)
        if max(flat.size) > max_side:
            flat.thumbnail((max_side, max_side), Image.Resampling.BOX, reducing_gap=2.0)
        return np.array(flat)


def _on_white(image: Image.Image) -> Image.Image:
    """RGB on white paper: transparent scans would turn black otherwise; 16-bit greys are scaled, not clipped."""
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image, dtype=np.float64)
        low, high = float(grey.min()), float(grey.max())
        scaled = (grey - low) * (255.0 / max(high - low, 1.0))
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def open_page(path: Path, media_type: str, number: int, *, max_side: int = MAX_SIDE) -> PageImage:
    """Decode one page (from 1), its longest side at most `max_side` pixels; EXIF orientation is applied."""
    with _readable(path):
        rgb = _pdf_page(path, number, max_side) if media_type == PDF else _image_page(path, number, max_side)
    return PageImage(number=number, image=np.ascontiguousarray(rgb[:, :, ::-1]))


def turn(image: Pixels, degrees: int) -> Pixels:
    """Turn clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, k=-(degrees // 90) % 4))


def encode_jpeg(image: Pixels, *, quality: int = 85) -> bytes:
    """Encode blue-green-red pixels as JPEG."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ExtractionError("the page could not be encoded as JPEG; its pixels are empty")
    return encoded.tobytes()


def render_page(path: Path, media_type: str, page: int, *, max_side: int = 1600, rotation: int = 0) -> bytes:
    """JPEG of one page, longest side at most `max_side`, turned clockwise by `rotation` (see page_rotations)."""
    return encode_jpeg(turn(open_page(path, media_type, page, max_side=max_side).image, rotation))


def crop(path: Path, media_type: str, page: int, box: Sequence[float], *, rotation: int = 0, margin: float = 0.02) -> bytes:
    """JPEG of a part of the upright page: `box` is left, top, right, bottom as shares of it, widened by `margin`."""
    image = turn(open_page(path, media_type, page).image, rotation)
    if len(box) != 4:
        raise NotFoundError("no address block was found on this letter, so there is nothing to crop; show the page instead")
    height, width = image.shape[:2]
    left, top = max(0.0, box[0] - margin), max(0.0, box[1] - margin)
    right, bottom = min(1.0, box[2] + margin), min(1.0, box[3] + margin)
    part = image[
        int(top * height) : max(int(bottom * height), int(top * height) + 1),
        int(left * width) : max(int(right * width), int(left * width) + 1),
    ]
    return encode_jpeg(np.ascontiguousarray(part))
