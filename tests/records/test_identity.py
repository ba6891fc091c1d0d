"""The id of a run is read from its own record, and from no other."""

import json

import pytest

from safemil.errors import UserError
from safemil.records.identity import recorded_run_id, run_id

KEY = {"task": "t", "method": "m", "seed": 3}


def test_an_id_depends_on_every_value_and_not_on_their_order():
    assert run_id({"a": 1, "b": {"c": 2, "d": 3}}) == run_id({"b": {"d": 3, "c": 2}, "a": 1})
    assert len({run_id({"a": a, "b": {"c": c}}) for a in (1, 2) for c in (1, 2, "1")}) == 6


def test_the_id_is_that_of_the_record(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({**KEY, "variant": "v", "run_id": "abc"}))
    assert recorded_run_id(tmp_path / "run.json", KEY) == "abc"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no record"),
        ("{", "damaged"),
        (json.dumps({**KEY, "seed": 4, "run_id": "abc"}), "another run"),
        (json.dumps({"run_id": "abc"}), "another run"),
        (json.dumps(KEY), "no run id"),
    ],
)
def test_a_wrong_record_is_refused_by_name(tmp_path, text, words):
    record = tmp_path / "run.json"
    if text is not None:
        record.write_text(text)
    with pytest.raises(UserError, match=rf"{words}[\s\S]*run\.json"):
        recorded_run_id(record, KEY)
