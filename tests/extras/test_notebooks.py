"""The notebooks run from top to bottom on a gold that was really built, and nothing that they showed is kept in git."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import EXTRAS, Gold

pytestmark = pytest.mark.timeout(900)

NOTEBOOKS = sorted((EXTRAS / "lab" / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01-coverage", "02-requests", "03-reading-and-geocoding"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_shown_is_kept(path: Path) -> None:
    for cell in code(read(path)):
        assert cell["outputs"] == [] and cell["execution_count"] is None and cell["metadata"] == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_gold_alone_is_read_and_no_password_written(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in code(read(path)))
    asked = re.findall(r"\b(?:from|join)\s+(\w+)\.\w+", re.sub(r"^(import|from [\w.]+ import).*$", "", text, flags=re.MULTILINE))
    assert asked and set(asked) == {"gold"}
    assert text.count('password=os.environ["CLICKHOUSE_PASSWORD"]') == text.count("password=") == 1


@pytest.fixture(scope="session")
def matplotlib_folder(gold: Gold, extras_python: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Matplotlib's list of fonts, made once: it takes seconds, and where it takes many, Matplotlib says so in the notebook."""
    folder = str(tmp_path_factory.mktemp("matplotlib"))
    environment = gold.environment | {"MPLCONFIGDIR": folder}
    subprocess.run([extras_python, "-c", "import matplotlib.font_manager"], env=environment, check=True, timeout=600)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, gold: Gold, extras_python: Path, matplotlib_folder: str, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    # In a kernel of its own, as in JupyterLab; its files stay in this test's folder.
    home = {name: str(tmp_path / name.lower()) for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    matplotlib = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MPLCONFIGDIR": matplotlib_folder}
    environment = gold.environment | home | matplotlib
    command = [extras_python.with_name("jupyter-execute"), "--inplace", "--startup_timeout=240", copy]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    cells = code(read(copy))
    assert all(cell["execution_count"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    # Nor a warning: it would stand between the reader and the figure.
    assert not ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 2 and kinds.count("text/html") >= 1
