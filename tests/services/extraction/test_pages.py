"""Pages of all formats as pixels and as pictures for the review desk."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.errors import ExtractionError, NotFoundError
from services.extraction.pages import crop, open_page, page_count, render_page, turn

RED, BLUE = (200, 30, 30), (30, 30, 200)
TYPES = {"jpg": "image/jpeg", "png": "image/png", "tif": "image/tiff", "pdf": "application/pdf"}


def save(path: Path, *colours: tuple[int, int, int], size: tuple[int, int] = (200, 300)) -> Path:
    first, *others = [Image.new("RGB", size, colour) for colour in colours]
    if others:
        first.save(path, save_all=True, append_images=others)
    else:
        first.save(path)
    return path


@pytest.mark.parametrize("ending", sorted(TYPES))
def test_opens_every_format(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a.{ending}", RED)
    page = open_page(path, TYPES[ending], 1)
    assert page.number == 1
    assert page.image.dtype == np.uint8
    assert page.image.shape[0] > page.image.shape[1]
    blue, _, red = page.image[page.image.shape[0] // 2, page.image.shape[1] // 2]
    assert red > 150 > blue


@pytest.mark.parametrize("ending", ["tif", "pdf"])
def test_many_pages(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a.{ending}", RED, BLUE)
    assert page_count(path, TYPES[ending]) == 2
    blue, _, red = open_page(path, TYPES[ending], 2).image[10, 10]
    assert blue > 150 > red
    with pytest.raises(NotFoundError, match="2 pages"):
        open_page(path, TYPES[ending], 3)


def test_orientation_of_cameras_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200), RED).save(tmp_path / "a.jpg", exif=exif)
    assert open_page(tmp_path / "a.jpg", "image/jpeg", 1).image.shape[:2] == (300, 200)


def test_transparent_and_16_bit_scans_become_white_paper(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_page(tmp_path / "a.png", "image/png", 1).image.min() == 255
    grey = np.linspace(0, 65535, 2500).reshape(50, 50).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "b.png")
    page = open_page(tmp_path / "b.png", "image/png", 1).image
    assert page.min() < 5 and page.max() > 250


@pytest.mark.parametrize(("ending", "content"), [("jpg", b"\xff\xd8\xff\xe0 broken"), ("pdf", b"%PDF-1.4 broken"), ("tif", b"II*\x00")])
def test_broken_files_are_our_errors(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"a.{ending}").write_bytes(content)
    with pytest.raises(ExtractionError, match="cannot be decoded"):
        open_page(tmp_path / f"a.{ending}", TYPES[ending], 1)
    with pytest.raises(ExtractionError, match="cannot be decoded"):
        page_count(tmp_path / f"a.{ending}", TYPES[ending])


def test_pictures_for_the_review_desk(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RED, size=(2000, 1000))
    with Image.open(BytesIO(render_page(path, "image/png", 1, max_side=500, rotation=90))) as page:
        assert (page.format, page.size) == ("JPEG", (250, 500))
    with Image.open(BytesIO(crop(path, "image/png", 1, (0.25, 0.5, 0.75, 1.0), margin=0.0))) as part:
        assert part.size == (1000, 500)
    with pytest.raises(NotFoundError, match="no address block"):
        crop(path, "image/png", 1, ())


def test_turning_is_clockwise() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 255
    assert turn(image, 90)[0, 1, 0] == 255
    assert np.array_equal(turn(turn(image, 90), 270), image)
