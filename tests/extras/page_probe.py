"""Runs in the extras' own Python: opens the page, makes choices, and prints what is to be seen as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest


def main() -> None:
    choices = json.loads(sys.argv[2])
    page = AppTest.from_file(sys.argv[1], default_timeout=200).run()
    for key, value in choices.items():
        widget = page.multiselect(key=key) if isinstance(value, list) else page.selectbox(key=key)
        page = widget.set_value(value).run()
    seen = {
        "exceptions": [element.value for element in page.exception],
        "errors": [element.value for element in page.error],
        "infos": [element.value for element in page.info],
        "titles": [element.value for element in [*page.title, *page.subheader]],
        "captions": [element.value for element in page.caption],
        "metrics": {element.label: element.value for element in page.metric},
        "options": {element.label: list(element.options) for element in [*page.selectbox, *page.multiselect]},
        "table": json.loads(page.dataframe[0].value.to_json(orient="records")) if page.dataframe else [],
        "charts": [element.type for element in page.main if element.type in ("vega_lite_chart", "deck_gl_json_chart")],
        "maps": [json.loads(element.proto.json) for element in page.main if element.type == "deck_gl_json_chart"],
    }
    # Not to the screen, on which Streamlit speaks too.
    Path(sys.argv[3]).write_text(json.dumps(seen), encoding="utf-8")


main()
