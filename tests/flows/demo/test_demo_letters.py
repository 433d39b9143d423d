"""The demo's letters: truth that agrees with the register, files that open, the same bytes from the same seed."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from flows.demo.correspondence import CASES, Letter, write_letters
from flows.demo.generate import DemoTown, write_letter_files, write_town
from flows.demo.letters import TWO_PAGES, LetterFile, Sheets, draw_letters
from flows.demo.pen import HANDS, Pen
from flows.demo.plan import load_phrases
from flows.demo.town import Town, build_town

SEED = 7


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoTown, list[Path]]:
    """The whole demo, written once: the drawing takes most of this module's time."""
    written = write_town(SEED, tmp_path_factory.mktemp("demo"))
    return written, list(write_letter_files(written, SEED))


@pytest.fixture(scope="module")
def truth(demo: tuple[DemoTown, list[Path]]) -> list[dict[str, str]]:
    with demo[0].truth_file.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_truth_agrees_with_the_register(demo: tuple[DemoTown, list[Path]], truth: list[dict[str, str]]) -> None:
    register = {(entry.street, entry.housenumber, entry.postcode, entry.city): entry for entry in demo[0].town.addresses}
    for row in truth:
        entry = register.get((row["street"], row["housenumber"], row["postcode"], row["city"]))
        if row["case"] in {"absent_house", "absent_street"}:
            assert entry is None
            assert (row["lat"], row["lon"], row["expected"]) == ("", "", "review")
        else:
            assert entry is not None, row
            assert (float(row["lat"]), float(row["lon"])) == (entry.latitude, entry.longitude)
            assert row["expected"] == ("located" if row["case"] == "ordinary" else "review")


def test_the_mixture_is_as_planned(truth: list[dict[str, str]]) -> None:
    assert len(truth) == 40
    assert Counter(row["case"] for row in truth) == {
        "ordinary": 30,
        "unreadable": 4,
        "absent_house": 2,
        "absent_street": 2,
        "wrong_postcode": 2,
    }
    assert {row["language"] for row in truth} == {"de", "fr", "en", "nl", "it"}
    assert {row["font"] for row in truth} == {hand.name for hand in HANDS}
    assert {Path(row["file"]).suffix for row in truth} == {".jpg", ".png", ".tif", ".pdf"}
    assert len({row["facility_kind"] for row in truth}) >= 8


def test_every_file_opens_at_scan_size(demo: tuple[DemoTown, list[Path]]) -> None:
    pages = {path.name: _page_sizes(path.read_bytes(), path.suffix) for path in demo[1]}
    sides = {(max(size), min(size)) for sizes in pages.values() for size in sizes}
    assert sides <= {(1754, 1240), (1755, 1240), (1755, 1241), (1754, 1241)}  # PDF renderers round up
    assert sum(len(sizes) == 2 for sizes in pages.values()) == len(TWO_PAGES)
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in demo[1]}) == len(CASES)


def _page_sizes(content: bytes, suffix: str) -> list[tuple[int, int]]:
    if suffix == ".pdf":
        document = pypdfium2.PdfDocument(content)
        sizes = [page.render(scale=150 / 72).to_pil().size for page in document]
        document.close()
        return sizes
    sizes = []
    with Image.open(io.BytesIO(content)) as picture:
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            picture.load()
            sizes.append(picture.size)
    return sizes


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_written_beyond_the_sheet(seed: int) -> None:
    for letter in write_letters(build_town(seed), seed):
        for hand in (HANDS[0], HANDS[3]):
            for ink in Sheets(letter, Pen(hand, np.random.default_rng(0))).pages:
                assert ink.any()
                assert not ink[:, -25:].any(), (letter.number, hand.name)
                assert not ink[-100:].any(), (letter.number, hand.name)


def test_pages_carry_ink_and_unreadable_ones_no_sharp_line(demo: tuple[DemoTown, list[Path]]) -> None:
    sharpness = {}
    for path, case in zip(demo[1], CASES, strict=True):
        if path.suffix in {".jpg", ".png"}:
            with Image.open(path) as picture:
                grey = np.asarray(picture.convert("L").reduce(2), dtype=np.float64)
            sharpness[path.name] = float(np.abs(np.diff(grey, axis=0)).max()), case.damage
    assert min(value for value, damage in sharpness.values() if not damage) > max(
        value for value, damage in sharpness.values() if damage == "blur"
    )


def test_same_seed_gives_the_same_bytes(demo: tuple[DemoTown, list[Path]], tmp_path: Path) -> None:
    again = write_town(SEED, tmp_path)
    for file in ("areas_file", "facilities_file", "address_points_file", "submissions_file"):
        assert getattr(again, file).read_bytes() == getattr(demo[0], file).read_bytes(), file
    letters = _one_of_each_format(again.town)
    redrawn = {file.name: file.content for file in draw_letters(letters, SEED)}
    assert len(redrawn) == 4
    for path in demo[1]:
        assert redrawn.get(path.name, path.read_bytes()) == path.read_bytes(), path.name


def _one_of_each_format(town: Town) -> list[Letter]:
    letters = write_letters(town, SEED)
    return [letters[number] for number in (0, 2, 4, 30)]


@pytest.mark.parametrize("seed", range(12))
def test_any_seed_has_its_letters(seed: int) -> None:
    letters = write_letters(build_town(seed), seed)
    assert len(letters) == len(CASES)
    homes = Counter((letter.street, letter.housenumber, letter.postcode) for letter in letters if letter.longitude is not None)
    assert max(homes.values()) == 1


def test_every_phrase_can_be_drawn() -> None:
    pen = Pen(HANDS[0], np.random.default_rng(0))

    def walk(value: object) -> None:
        if isinstance(value, str):
            assert pen.width(value.replace("{", "").replace("}", "")) >= 0
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

    walk(load_phrases().model_dump())


def test_a_letter_that_the_pen_cannot_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        Pen(HANDS[0], np.random.default_rng(0)).width("Ağaç")


def test_letters_say_what_their_truth_says(demo: tuple[DemoTown, list[Path]]) -> None:
    letters = write_letters(demo[0].town, SEED)
    phrases = load_phrases()
    for letter in letters:
        assert phrases.kinds[letter.language][letter.facility_kind] in letter.body
        assert str(letter.written_on.year) in letter.date_text
        assert letter.city not in re.findall(r"[\w-]+", letter.body)
        assert letter.city_line.endswith(letter.city)
        assert (letter.city_line.split()[0] == letter.postcode) == (letter.case.kind != "wrong_postcode")
    assert isinstance(next(draw_letters(letters[:1], SEED)), LetterFile)
