"""One fold of corrections: the API's, silver's and the geocoder's question say the same of any sequence of decisions."""

from __future__ import annotations

import itertools
import json
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_letters import AT

from api.corrections import CORRECTABLE, fold
from services.settings import PROJECT_ROOT
from services.warehouse.client import Warehouse

SILVER = (PROJECT_ROOT / "dbt_project/models/silver/intermediate/int_corrections__latest.sql").read_text(encoding="utf-8")
QUESTION = (PROJECT_ROOT / "flows/steps/sql/subjects_to_geocode.sql").read_text(encoding="utf-8")
ADDRESS = ("street", "housenumber", "postcode", "city")
NUMBERS = itertools.count()

texts = st.none() | st.sampled_from(["", "a", "b"])
fields = st.fixed_dictionaries(
    {
        "sender_name": texts,
        "street": texts,
        "housenumber": texts,
        "postcode": texts,
        "city": texts,
        "letter_date": st.none() | st.sampled_from([date(2026, 1, 1), date(2026, 2, 1)]),
        "facility_kind": st.none() | st.sampled_from(["school", "pharmacy"]),
    }
)
decisions = st.one_of(
    fields.map(lambda given: {"action": "correct", **given}),
    st.tuples(fields, st.sampled_from([9.5, 9.6])).map(
        lambda found: {"action": "place", **found[0], "longitude": found[1], "latitude": 47.1}
    ),
    st.sampled_from(["accept", "reject", "reopen"]).map(lambda action: {"action": action}),
)


def test_the_folds_agree(clean_warehouse: Warehouse) -> None:
    silver = SILVER.replace("{{ ref('stg_cartulary__corrections') }}", "bronze.corrections")
    assert "{{" not in silver

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(st.lists(decisions, min_size=1, max_size=6))
    def check(sequence: list[dict[str, Any]]) -> None:
        subject_id = f"s{next(NUMBERS)}"
        blank = dict.fromkeys((*CORRECTABLE, "longitude", "latitude"))
        rows = [
            {
                **blank,
                **decision,
                "correction_id": f"{subject_id}-{number}",
                "subject_kind": "submission",
                "subject_id": subject_id,
                "corrected_at": AT + timedelta(seconds=number // 2),  # two in the same moment: the id decides
            }
            for number, decision in enumerate(sequence)
        ]
        typed = {"street": "typed", "housenumber": "1", "postcode": "7001", "city": "Lindenau"}
        clean_warehouse.insert("bronze.submissions", [{"submission_id": subject_id, "received_at": AT, **typed}])
        clean_warehouse.insert("bronze.corrections", rows)
        found = clean_warehouse.query(f"select * from ({silver}) where subject_id = {{id:String}}", {"id": subject_id})
        folded = fold(rows)
        place = folded.place or {}
        assert len(found) == 1
        assert {name: found[0][name] for name in CORRECTABLE} == {**dict.fromkeys(CORRECTABLE), **folded.fields}
        assert found[0]["action"] == folded.action
        assert (found[0]["place_correction_id"], found[0]["place_action"]) == (place.get("correction_id", ""), place.get("action", ""))
        assert (found[0]["longitude"], found[0]["latitude"]) == (place.get("longitude"), place.get("latitude"))
        asked = [row["correction_id"] for row in rows if row["action"] == "correct"]
        questions = clean_warehouse.query(QUESTION, {"letter_ids": [], "submission_ids": [], "correction_ids": asked})
        assert {row["correction_id"]: {name: row[name] for name in ADDRESS} for row in questions} == {
            row["correction_id"]: typed | {name: value for name, value in fold(rows[: number + 1]).fields.items() if name in ADDRESS}
            for number, row in enumerate(rows)
            if row["action"] == "correct"
        }, json.dumps(rows, default=str)

    check()
