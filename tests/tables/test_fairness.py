"""The fairness table of records made by hand: every figure is derived here."""

import copy
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.records.training_records import RunRecord, read_peak_memory, read_run_record, record_frame
from safemil.statistics.fairness import COLUMNS, budget_sentences, fairness_table, layers_text
from safemil.tables.document import write_document
from safemil.tables.fairness import BUDGET_HEADER, NETWORK_HEADER, budget_rows, document, network_rows
from safemil.tables.request import TableRun

SIZES = {"swimmer_velocity": (8, 2), "point_circle2": (28, 2)}


def network(layers, rate=0.001, decay=0.01):
    return {"layers": layers, "learning_rates": [rate], "weight_decays": [decay]}


def parameters(layers):
    return sum(inputs * outputs + outputs for inputs, outputs in layers)


def raw_record(method, task="swimmer_velocity", variant="default", seed=0, seconds=30.0, **training):
    budget = {"steps": 3000, "learning_rate": 0.001, "gradient_clip": 10.0, "policy_loss": "mse", **training}
    observation, action = SIZES[task]
    layers = {"policy": [[observation, 256], [256, 256], [256, action], [256, action]]}
    if method == "safemil":
        layers["cost"] = [[observation + action, 256], [256, 256], [256, 1]]
    rate = budget["learning_rate"]
    return {
        **{"task": task, "source": "collected", "method": method, "variant": variant, "seed": seed},
        "training": {**budget, "bag_size": 128},
        "settings": {"unknown": "to this table"},
        "kind": "learner",
        "pretraining_steps": 0,
        "transitions_per_policy_step": 640,
        "parameters": {name: parameters(each) for name, each in layers.items()},
        "networks": {name: network(each, rate) for name, each in layers.items()},
        "gradient_steps": dict.fromkeys(layers, budget["steps"]),
        "timing": {"seconds": seconds, "steps": budget["steps"], "steps_per_second": 100.0},
    }


def frame(*raws, memory=400.0):
    return record_frame((RunRecord.model_validate(raw), memory) for raw in raws)


def both_methods(**changes):
    return [
        raw_record("safemil", "swimmer_velocity", seconds=60.0, **changes),
        raw_record("safemil", "swimmer_velocity", seed=1, seconds=75.0, **changes),
        raw_record("safemil", "point_circle2", seconds=90.0, **changes),
        raw_record("safemil", "point_circle2", seed=1, seconds=63.0, **changes),
        raw_record("bc", "swimmer_velocity"),
        raw_record("bc", "point_circle2"),
    ]


def test_one_row_per_network_with_the_figures_of_the_records():
    table = fairness_table(frame(*both_methods()))
    assert list(table.columns) == COLUMNS
    keys = table[["method", "variant", "network"]].agg(":".join, axis=1).tolist()
    assert keys == ["bc:default:policy", "safemil:default:policy", "safemil:default:cost"]
    cost = table.iloc[2]
    # 10 or 30 inputs: 256 weights each and 256 biases; 256 * 256 + 256; 256 + 1.
    assert (cost.parameters_min, cost.parameters_max) == (11 * 256 + 65792 + 257, 31 * 256 + 65792 + 257)
    assert cost.layers == "10 to 30 × 256, 256 × 256, 256 × 1"
    assert (cost.n_tasks, cost.n_seeds, cost.n_runs) == (2, 2, 4)
    assert (cost.policy_steps_min, cost.policy_steps_max, cost.gradient_steps_max) == (3000, 3000, 3000)
    assert (cost.learning_rate_min, cost.weight_decay_max, cost.transitions_per_step_min) == (1e-3, 0.01, 640)
    # 60, 75, 90 and 63 seconds for 3000 steps.
    assert cost.seconds_per_1000_steps_min == pytest.approx(20)
    assert cost.seconds_per_1000_steps_max == pytest.approx(30)
    assert cost.seconds_per_1000_steps_median == pytest.approx((21 + 25) / 2)
    assert cost.peak_memory_mb_median == 400


def test_equal_budgets_are_called_equal():
    (sentence,) = budget_sentences(frame(*both_methods()))
    assert sentence.startswith(
        "The same on each task for BC-Unlabeled, SafeMIL: gradient steps of the policy,"
    )
    for words in ("transitions per policy step", "loss of the policy", "parameters of the policy"):
        assert words in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 10_000}, "gradient steps of the policy differ: BC-Unlabeled 3,000; SafeMIL 10,000."),
        ({"learning_rate": 3e-4}, "learning rate of the policy differ: BC-Unlabeled 0.001; SafeMIL 0.0003."),
        ({"policy_loss": "nll"}, "loss of the policy differ: BC-Unlabeled mse; SafeMIL nll."),
        ({"gradient_clip": 1.0}, "gradient clip differ: BC-Unlabeled 10; SafeMIL 1."),
    ],
)
def test_mixed_budgets_are_flagged_in_words(change, words, tmp_path):
    records = frame(*both_methods(**change))
    mixed, equal = budget_sentences(records)[:2]
    assert mixed == f"Mixed budgets: {words}"
    assert words.split(" differ")[0] not in equal
    _, markdown, latex = (
        path.read_text() for path in write_document(document(TableRun("tiny"), records), tmp_path)
    )
    assert f"- Mixed budgets: {words}" in markdown
    assert f"\\item Mixed budgets: {words}" in latex


def test_a_mixture_within_one_method_is_flagged_too():
    raws = both_methods()
    raws[1]["transitions_per_policy_step"] = 5
    assert "Mixed budgets: transitions per policy step differ: BC-Unlabeled 640; SafeMIL 5 or 640." in (
        budget_sentences(frame(*raws))
    )
    assert budget_rows(fairness_table(frame(*raws)))[1][5] == "5 to 640"


def test_different_sizes_of_tasks_are_no_mixture():
    raws = both_methods()
    for raw in raws:
        raw["transitions_per_policy_step"] = 100 if raw["task"] == "point_circle2" else 200
    assert not any(sentence.startswith("Mixed") for sentence in budget_sentences(frame(*raws)))


def test_a_variant_is_compared_with_its_own_default():
    variant = raw_record("safemil", variant="k1", steps=1000)
    variant["transitions_per_policy_step"] = 5
    same = raw_record("safemil", variant="state_action")
    sentences = budget_sentences(frame(*both_methods(), variant, same))
    assert sentences[1:] == [
        "Variant SafeMIL (k1): gradient steps of the policy 1,000 instead of 3,000, "
        "transitions per policy step 5 instead of 640."
    ]


def test_networks_that_are_not_trained_like_their_policy_are_named():
    raws = both_methods()
    for raw in raws[:4]:
        raw["networks"]["cost"] = network(raw["networks"]["cost"]["layers"], rate=1e-4, decay=0.0)
        raw["gradient_steps"]["cost"] = 30
        raw["pretraining_steps"] = 300
    sentences = budget_sentences(frame(*raws))
    assert sentences[0] == (
        "Mixed budgets: steps before the policy's first differ: BC-Unlabeled 0; SafeMIL 300."
    )
    assert sentences[2:] == [
        "Network cost of SafeMIL: gradient steps 30, its policy 3,000.",
        "Network cost of SafeMIL: learning rate at the start 0.0001, its policy 0.001.",
        "Network cost of SafeMIL: weight decay 0, its policy 0.01.",
    ]


def test_several_rates_of_one_network_are_a_range():
    raw = raw_record("safemil")
    raw["networks"]["cost"]["learning_rates"] = [1e-4, 1e-3]
    rows = network_rows(fairness_table(frame(raw)))
    assert rows[1][3:] == [f"{11 * 256 + 65792 + 257:,}", "3,000", "0.0001 to 0.001", "0.01"]


def test_layers_as_text():
    assert layers_text([((8, 256), (256, 2))]) == "8 × 256, 256 × 2"
    assert layers_text([((8, 4),), ((28, 6),)]) == "8 to 28 × 4 to 6"
    assert layers_text([((8, 4),), ((8, 4), (4, 1))]) == "8 × 4 or 8 × 4, 4 × 1"
    assert layers_text([(), ()]) == "one number"


@pytest.fixture
def files(tmp_path):
    records = frame(*both_methods(), raw_record("safemil", variant="k_1", steps=1000))
    paths = write_document(document(TableRun("quick_run"), records), tmp_path / "new")
    assert [path.name for path in paths] == ["fairness.csv", "fairness.md", "fairness.tex"]
    return {path.suffix: path for path in paths}


def markdown_cells(text):
    rows = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.replace("\\", "") for cell in row.strip("| ").split(" | ")] for row in rows]


def latex_cells(text):
    rows = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r" \\")]
    return [[cell.replace(r"$\times$", "×").replace("\\", "") for cell in row.split(" & ")] for row in rows]


def test_markdown_and_latex_say_the_same_as_the_csv(files):
    table = pd.read_csv(files[".csv"])
    assert list(table.columns) == COLUMNS
    rows = [BUDGET_HEADER, *budget_rows(table), NETWORK_HEADER, *network_rows(table)]
    assert markdown_cells(files[".md"].read_text()) == rows
    assert latex_cells(files[".tex"].read_text()) == rows
    shared = ["3,000", "0", "640", "3", "mse", "10"]
    assert rows[1:3] == [
        ["BC-Unlabeled", "learner", "2 × 1", *shared, "10 (10 to 10)", "400 (400 to 400)"],
        ["SafeMIL", "learner", "2 × 2", *shared, "23 (20 to 30)", "400 (400 to 400)"],
    ]


def test_what_the_numbers_are_is_stated(files):
    for suffix in (".md", ".tex"):
        text = files[suffix].read_text()
        for words in ("source", "collected", "read off the records", "no benchmark", "Variant SafeMIL (k"):
            assert words in text
    assert "run `quick_run`" in files[".md"].read_text()
    tex = files[".tex"].read_text()
    bare = re.sub(r"\\[{}&%_$#]", "", tex)
    assert bare.count("{") == bare.count("}")
    assert "_" not in bare
    assert tex.isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_with_booktabs_alone(files, tmp_path):
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{fairness}\end{document}"
    shutil.copy(files[".tex"], tmp_path / "fairness.tex")
    (tmp_path / "document.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_an_incomplete_set_of_runs_is_counted():
    table = fairness_table(frame(*both_methods()[1:]))
    assert budget_rows(table)[1][2] == "2 × 2 (3)"


def test_unknown_memory_is_said_to_be_unknown(tmp_path):
    table = fairness_table(frame(raw_record("bc"), memory=float("nan")))
    assert budget_rows(table)[0][-1] == "n/a"
    (tmp_path / "a.tsv").write_text("s\tmax_rss\n32.5\t438.16\n")
    (tmp_path / "b.tsv").write_text("s\tmax_rss\n0.5\t-\n")
    assert read_peak_memory(tmp_path / "a.tsv") == 438.16
    assert pd.isna(read_peak_memory(tmp_path / "b.tsv"))
    assert pd.isna(read_peak_memory(tmp_path / "absent.tsv"))


def test_a_missing_record_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UserError, match=r"bc/default/seed0/run\.json"):
        read_run_record(tmp_path / "bc/default/seed0/run.json")


@pytest.mark.parametrize("lost", ["networks", "gradient_steps", "timing", "training.policy_loss"])
def test_an_old_record_is_an_error_that_names_file_and_key(lost, tmp_path):
    raw = copy.deepcopy(raw_record("safemil"))
    inner = raw
    *outer, key = lost.split(".")
    for name in outer:
        inner = inner[name]
    del inner[key]
    (tmp_path / "run.json").write_text(json.dumps(raw))
    with pytest.raises(UserError) as error:
        read_run_record(tmp_path / "run.json")
    assert lost in str(error.value)
    assert str(tmp_path / "run.json") in str(error.value)


def test_a_broken_record_is_an_error_that_names_it(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json"):
        read_run_record(tmp_path / "run.json")


def test_a_record_is_read_as_it_was_written(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(raw_record("safemil")))
    record = read_run_record(tmp_path / "run.json")
    assert record.networks["cost"].layers == ((10, 256), (256, 256), (256, 1))
    assert record.training.policy_loss == "mse"
