"""Whether a received file can be used: decodes it, and refuses with a sentence for its sender."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
from PIL import Image
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from services.errors import IntakeError
from services.extraction.pages import pdfium_lock
from services.intake.sniff import HEAD_BYTES, Sniffed, sniff
from services.settings import IntakeSettings

LETTER_TYPES = "JPEG, PNG, TIFF or PDF"
DATASET_TYPES = "CSV or GeoJSON"
AGAIN = "scan it again, or ask its sender for another copy"

# Our own limit (max_page_pixels) is checked before anything is decoded; Pillow's would be a warning on the console.
Image.MAX_IMAGE_PIXELS = None
# One picture is decoded at a time: 80 megapixels are 240 MB, and several senders at once must not add up.
_decoding = threading.Lock()


@dataclass(frozen=True)
class Inspected:
    """A file that can be used; `page_count` is 0 for datasets."""

    media_type: str
    page_count: int


def inspect_letter(path: Path, settings: IntakeSettings) -> Inspected:
    """Decode every page of a letter; IntakeError with the reason when it is refused."""
    found = _sniffed(path)
    if found.purpose == "dataset":
        raise IntakeError(f"This is {found.name}, no letter: hand it in as a dataset.")
    if found.purpose != "letter":
        raise IntakeError(f"This is {found.name}: letters are {LETTER_TYPES}.")
    if found.media_type == "application/pdf":
        return Inspected(found.media_type, _check_pdf(path, settings))
    return Inspected(found.media_type, _check_image(path, found, settings))


def inspect_dataset(path: Path) -> Inspected:
    """Recognize CSV or GeoJSON; IntakeError with the reason when it is neither."""
    found = _sniffed(path)
    if found.purpose == "letter":
        raise IntakeError(f"This is {found.name}: datasets are {DATASET_TYPES}. Hand it in as a letter if it is one.")
    if found.purpose != "dataset":
        hint = " Save it as CSV (UTF-8) first." if "Excel" in found.name else ""
        raise IntakeError(f"This is {found.name}: datasets are {DATASET_TYPES}.{hint}")
    return Inspected(found.media_type, 0)


def _sniffed(path: Path) -> Sniffed:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise IntakeError("The file is empty: it has no bytes.")
    if not head.strip() and path.stat().st_size <= HEAD_BYTES:
        raise IntakeError("The file is empty: it has nothing but white space.")
    return sniff(head)


def _check_image(path: Path, found: Sniffed, settings: IntakeSettings) -> int:
    try:
        with _decoding, Image.open(path, formats=("JPEG", "PNG", "TIFF")) as image:
            if found.media_type != "image/tiff":  # a phone's JPEG may hold a second, small picture: no page
                _decode(image, settings)
                return 1
            pages = 0
            while _has_frame(image, pages):
                pages += 1
                if pages > settings.max_pages:
                    raise IntakeError(f"The TIFF has more than {settings.max_pages} pages: split it into letters.")
                _decode(image, settings)
            return pages
    except IntakeError:
        raise
    except Exception as cause:  # decoders of hostile bytes raise whatever happens to break: struct.error, zlib.error, KeyError …
        raise IntakeError(f"The {found.name} is damaged ({cause}): {AGAIN}.") from cause


def _has_frame(image: Image.Image, index: int) -> bool:
    try:
        image.seek(index)
    except EOFError:
        return False
    return True


def _decode(image: Image.Image, settings: IntakeSettings) -> None:
    width, height = image.size
    if width * height > settings.max_page_pixels:
        raise IntakeError(
            f"A page has {width} × {height} pixels, more than {settings.max_page_pixels:,}: scan it with fewer dots per inch."
        )
    # JPEG decodes to an eighth of its size here: all its bytes are read, a 64th of the memory is used.
    image.draft("L", (max(width // 8, 1), max(height // 8, 1)))
    image.load()


def _check_pdf(path: Path, settings: IntakeSettings) -> int:
    _check_pdf_end(path)
    try:
        with pdfium_lock, pypdfium2.PdfDocument(path) as document:
            pages = len(document)
            if not pages:
                raise IntakeError(f"The PDF has no page: {AGAIN}.")
            if pages > settings.max_pages:
                raise IntakeError(f"The PDF has {pages} pages, more than {settings.max_pages}: split it into letters.")
            for number in range(pages):
                _check_pdf_images(document[number], settings)
            return pages
    except pypdfium2.PdfiumError as cause:
        if "password" in str(cause).lower():
            raise IntakeError("The PDF is encrypted with a password: save it without one and hand it in again.") from cause
        raise IntakeError(f"The PDF is damaged ({cause}): {AGAIN}.") from cause


def _check_pdf_images(page: pypdfium2.PdfPage, settings: IntakeSettings) -> None:
    """Ask for the sizes that pictures inside the page declare, without decoding them."""
    for image in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]):
        width, height = image.get_px_size()
        if width * height > settings.max_page_pixels:
            raise IntakeError(f"A picture in the PDF has {width} × {height} pixels, more than {settings.max_page_pixels:,}.")


def _check_pdf_end(path: Path) -> None:
    """Tell a PDF that was cut off: PDFium repairs it silently, to fewer or empty pages."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        file.seek(max(size - HEAD_BYTES, 0))
        has_end = b"%%EOF" in file.read()
    # A PDF made for the web has an end mark near its start, but says how long it is.
    length = re.search(rb"/Linearized\b.*?/L\s+(\d+)", head, re.DOTALL)
    if not has_end or (length and int(length[1]) > size):
        raise IntakeError(f"The PDF was cut off, its end is missing: {AGAIN}.")
