"""The claims as files: what a program reads, what a person reads, and that the evidence is there."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from safemil.claims.inputs import SeedScores, Table
from safemil.claims.report import CLAIMS, write_claims
from safemil.plan.claim_settings import ClaimsSettings
from safemil.statistics.scores import relative_seed_scores
from tests.claims.claims_by_hand import bag_sizes, episodes, inputs, judge, learned_cost, table, theory

NOISY = {("ant_velocity", "bc"): [40, 20, 60, 30, 50], ("walker_velocity", "safemil"): [9, 8, 30, 50, 1]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    frame = episodes(NOISY)
    given = inputs(frame, folder, k=bag_sizes())
    given = replace(
        given,
        learned_cost=table([learned_cost()]),
        theory=Table("results/x/tables/theory.csv", theory()),
    )
    paths = write_claims(given, judge(), folder / "new", "quick_run")
    assert [path.name for path in paths] == ["claims.md", "claims.json"]
    return folder, frame, paths


@pytest.fixture(scope="module")
def records(written):
    return json.loads(written[2][1].read_text(encoding="utf-8"))


def test_json_is_a_list_of_claims(records):
    assert [record["number"] for record in records] == list(range(1, 10))
    for record in records:
        assert {"claim", "verdict", "value", "interval", "n", "evidence"} <= set(record)
        assert record["verdict"] in ("holds", "does not hold", "not measured")
        assert record["evidence"]
        assert (record["reason"] != "") == (record["verdict"] == "not measured")
    assert [record["verdict"] for record in records] == [
        *["holds", "does not hold", "holds", "holds", "not measured"],
        *["not measured", "holds", "holds", "holds"],
    ]
    unknown = records[4]
    assert (unknown["value"], unknown["interval"], unknown["n"]) == (None, None, 0)


def test_figures_can_be_computed_again_from_the_rows_of_the_evidence(written, records):
    _, frame, _ = written
    part = records[0]["evidence"][2]
    assert part["statement"] == "Ant-Velocity: cost of SafeMIL − BC-Unlabeled"
    ours, theirs = (_selected(frame, rows) for rows in part["rows"])
    difference = ours.groupby("seed")["cost"].mean() - theirs.groupby("seed")["cost"].mean()
    assert difference.to_numpy() == pytest.approx(10 - np.array(NOISY["ant_velocity", "bc"]))
    assert part["value"] == pytest.approx(difference.mean())
    assert part["interval"][0] < part["value"] < part["interval"][1]
    assert part["n"] == len(difference)


def _selected(frame, rows):
    chosen = frame
    for column, value in rows["where"].items():
        chosen = chosen[chosen[column].isin(value if isinstance(value, list) else [value])]
    assert len(chosen) == rows["count"] > 0
    return chosen


def test_every_row_of_evidence_is_there(written, records):
    folder, frame, _ = written

    files = {"results/x/episodes.parquet": frame, str(folder / "episodes.parquet"): frame}
    files[str(folder / "ablation_k.parquet")] = pd.read_parquet(folder / "ablation_k.parquet")
    files["results/x/tables/theory.csv"] = theory()
    seen = set()
    for part in (part for record in records for part in record["evidence"]):
        for rows in part["rows"]:
            seen.add(rows["file"])
            if rows["file"] in files:
                _selected(files[rows["file"]], rows)
    assert seen == {*files, "results/x/tables/learned_cost.csv"}


def test_relative_scores_name_the_rows_of_the_references(written, records):
    folder, _, _ = written
    near = next(part for part in records[3]["evidence"] if part["statement"].endswith("C − C_con at K = 64"))
    methods = [(rows["where"]["method"], rows["file"]) for rows in near["rows"]]
    references = str(folder / "episodes.parquet")
    rollouts = str(folder / "ablation_k.parquet")
    both = [("constrained_rl", references), ("random", references)]
    assert methods == [("safemil", rollouts), *both]
    # The scale of a normalised return stands on them as well, the difference of two costs does not.
    level = next(
        part for part in records[3]["evidence"] if "normalised return at K = 1 " in part["statement"]
    )
    assert [(rows["where"]["method"], rows["file"]) for rows in level["rows"]] == [
        *[("safemil", rollouts)] * 2,
        *both,
    ]
    methods = [rows["where"]["method"] for part in records[0]["evidence"] for rows in part["rows"]]
    assert set(methods) == {"safemil", "bc"}


def test_markdown_says_everything(written):
    text = written[2][0].read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# The paper's claims: run `quick_run`, source `collected`"
    assert "learners: 5 seeds × 5 episodes, 1,000 gradient steps" in lines[2]
    assert lines[4] == "Of 9 claims: 6 holds, 1 does not hold, 2 not measured."
    first = next(line for line in lines if line.startswith("| 1. "))
    assert "| holds | -30.00 | [" in first
    assert "| 5 seeds | Ant-Velocity: cost of SafeMIL − BC-Unlabeled |" in first
    summary = [line for line in lines if line.startswith("| ") and line[2].isdigit()]
    assert len(summary) == len(CLAIMS)
    for name, field in ClaimsSettings.model_fields.items():
        assert f"- `claims.{name}` = {field.default}: " in text
    assert "not measured: the ablation h was not run" in text
    assert "(beside) (i) median over tasks of C / C'" in text
    assert "10,000 draws" in text
    assert "nan" not in text.lower().replace("unlabeled", "")


def test_writing_twice_gives_the_same_bytes(tmp_path):
    scores = SeedScores("e", relative_seed_scores(episodes(NOISY)))
    given = replace(inputs(episodes(NOISY)), main=scores)
    first = [path.read_bytes() for path in write_claims(given, judge(), tmp_path / "a", "x")]
    assert [path.read_bytes() for path in write_claims(given, judge(), tmp_path / "b", "x")] == first
