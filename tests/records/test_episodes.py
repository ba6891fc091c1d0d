"""The episode table: what it accepts, what it refuses and how it names it, and its files."""

import numpy as np
import pandas as pd
import pytest

from safemil.errors import UserError
from safemil.records.episodes import (
    COLUMNS,
    KEY,
    final_checkpoint,
    gather,
    read_episodes,
    validate_episodes,
    write_episodes,
)


def test_a_file_gives_back_the_rows_in_key_order(tmp_path, tiny):
    path = write_episodes(tmp_path / "new" / "episodes.parquet", tiny.sample(frac=1, random_state=0))
    read = read_episodes(path)
    assert list(read.columns) == COLUMNS
    pd.testing.assert_frame_equal(read, tiny.sort_values(KEY).reset_index(drop=True)[COLUMNS])
    assert [file.name for file in path.parent.iterdir()] == ["episodes.parquet"]


def test_bytes_do_not_depend_on_row_order_column_order_or_index(tmp_path, tiny):
    shuffled = tiny.sample(frac=1, random_state=1)[COLUMNS[::-1]]
    first = write_episodes(tmp_path / "a.parquet", tiny).read_bytes()
    assert write_episodes(tmp_path / "b.parquet", shuffled).read_bytes() == first


def test_environment_seeds_keep_all_64_bits(tmp_path, tiny):
    large = tiny.assign(environment_seed=2**62 + 1 + tiny["episode"])
    read = read_episodes(write_episodes(tmp_path / "a.parquet", large))
    assert read["environment_seed"].min() == 2**62 + 1


def test_a_failed_write_leaves_the_old_file(tmp_path, tiny):
    path = write_episodes(tmp_path / "a.parquet", tiny)
    before = path.read_bytes()
    with pytest.raises(UserError):
        write_episodes(path, tiny.assign(cost=-1.0))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_looks_like_a_partition_adds_no_column(tmp_path, tiny):
    path = write_episodes(tmp_path / "extra=1" / "a.parquet", tiny)
    assert list(read_episodes(path).columns) == COLUMNS


def _with(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("return", np.nan, ["column return", "NaN", "row 3"]),
        ("cost", np.nan, ["column cost", "NaN", "row 3"]),
        ("return", np.inf, ["column return", "finite", "row 3 (inf)"]),
        ("cost", -2.0, ["column cost", "greater_than_or_equal_to(0)", "row 3 (-2.0)"]),
        ("length", 0, ["column length", "row 3 (0)"]),
        ("method", None, ["column method", "NaN", "row 3"]),
        ("task", "", ["column task", "row 3"]),
    ],
)
def test_a_bad_value_is_named_with_its_column_and_row(tiny, column, value, words):
    with pytest.raises(UserError) as caught:
        validate_episodes(_with(tiny, 3, column, value), where="here.parquet")
    for word in [*words, "here.parquet"]:
        assert word in str(caught.value)


def test_all_faults_are_told_at_once(tiny):
    broken = tiny.drop(columns="length").assign(reward=1.0, seed=tiny["seed"].astype(float), cost=-1.0)
    with pytest.raises(UserError) as caught:
        validate_episodes(broken)
    message = str(caught.value)
    for words in ("missing column length", "unknown column reward", "column seed is float64", "and 30 more"):
        assert words in message


def test_duplicate_rows_in_a_frame_are_named(tiny):
    with pytest.raises(UserError, match=r"duplicate rows: row 2 \(swimmer_velocity/collected/random"):
        validate_episodes(pd.concat([tiny, tiny.iloc[[2]]], ignore_index=True))


def test_no_rows_are_an_error(tiny):
    with pytest.raises(UserError, match="no rows"):
        validate_episodes(tiny.iloc[:0])


def test_missing_and_unreadable_files_are_named(tmp_path, tiny):
    with pytest.raises(UserError, match=r"missing[\s\S]*gone\.parquet"):
        read_episodes(tmp_path / "gone.parquet")
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(UserError, match=r"cannot be read[\s\S]*text\.parquet"):
        read_episodes(tmp_path / "text.parquet")
    good = write_episodes(tmp_path / "good.parquet", tiny)
    with pytest.raises(UserError, match=r"2 missing: .*a\.parquet, .*b\.parquet"):
        gather([tmp_path / "b.parquet", good, tmp_path / "a.parquet"])
    with pytest.raises(UserError, match="no episode files"):
        gather([])


def _files(tmp_path, *frames):
    return [write_episodes(tmp_path / f"{i}.parquet", frame) for i, frame in enumerate(frames)]


def test_gather_does_not_depend_on_the_order_of_files(tmp_path, tiny):
    paths = _files(tmp_path, *(part for _, part in tiny.groupby(["method", "seed"])))
    gathered = gather(paths)
    pd.testing.assert_frame_equal(gathered, gather(reversed(paths)))
    pd.testing.assert_frame_equal(gathered, tiny.sort_values(KEY).reset_index(drop=True)[COLUMNS])


def test_gather_names_the_invalid_file(tmp_path, tiny):
    paths = _files(tmp_path, tiny)
    broken = tmp_path / "broken.parquet"
    tiny.assign(cost=np.nan).to_parquet(broken)
    with pytest.raises(UserError, match=r"NaN[\s\S]*broken\.parquet"):
        gather([*paths, broken])


def test_gather_refuses_the_same_episode_in_two_files(tmp_path, tiny):
    with pytest.raises(UserError, match=r"duplicate episode rows[\s\S]*0\.parquet row 0 .*1\.parquet row 0 "):
        gather(_files(tmp_path, tiny, tiny[tiny["method"] == "bc"]))


def test_gather_refuses_mixed_sources(tmp_path, rows, tiny):
    other = rows("dwbc_nu", 0, [1] * 5, [1] * 5, source="dsrl")
    with pytest.raises(UserError) as caught:
        gather(_files(tmp_path, tiny, other))
    for words in ("sources are mixed", "collected: 35 rows", "dsrl: 5 rows", "1.parquet"):
        assert words in str(caught.value)


def test_gather_refuses_two_runs_of_one_seed(tmp_path, tiny):
    """The curve of a run of older code, say, beside the final episodes of the present one."""
    older = tiny[(tiny["method"] == "bc") & (tiny["seed"] == 1)].assign(step=500, run_id="older")
    with pytest.raises(UserError) as caught:
        gather(_files(tmp_path, tiny, older))
    for words in ("one seed come from different runs", "run older: ", "1.parquet row 0", "bc/default/1"):
        assert words in str(caught.value)
    assert "bc/default/0" not in str(caught.value)


def test_gather_refuses_different_environment_seeds(tmp_path, rows, tiny):
    seeds = [7000, 7001, 9, 7003, 7004]
    other = rows("dwbc_nu", 0, [1] * 5, [1] * 5, environment_seed=seeds)
    with pytest.raises(UserError) as caught:
        gather(_files(tmp_path, tiny, other))
    message = str(caught.value)
    for words in ("swimmer_velocity episode 2", "7002 in", "9 in", "1.parquet row 2", "dwbc_nu"):
        assert words in message
    assert "episode 1:" not in message


def test_equal_episode_numbers_of_other_tasks_may_have_other_seeds(tmp_path, rows, tiny):
    other = rows("bc", 0, [1] * 5, [1] * 5, task="ant_velocity", environment_seed=range(5))
    assert len(gather(_files(tmp_path, tiny, other))) == 40


@pytest.mark.parametrize(
    ("n_episodes", "step", "words"),
    [(3, 1000, "seed 3 has step 1000: 3 episodes (0 to 2)"), (5, 500, "seed 3 has step 500: 5 episodes")],
)
def test_gather_refuses_mixed_budgets(tmp_path, rows, tiny, n_episodes, step, words):
    other = rows("bc", 3, [1] * n_episodes, [1] * n_episodes, step=step)
    with pytest.raises(UserError) as caught:
        gather(_files(tmp_path, tiny, other))
    message = str(caught.value)
    assert words in message
    assert "swimmer_velocity/bc/default seed 0 has step 1000: 5 episodes" in message
    assert "safemil" not in message


def test_methods_may_differ_in_budget_and_curves_may_be_gathered(tmp_path, rows, tiny):
    curve = tiny[tiny["method"] == "bc"].assign(step=500)
    dear = rows("dwbc_nu", 0, [1] * 3, [1] * 3, step=9)
    gathered = gather(_files(tmp_path, tiny, curve, dear))
    assert len(gathered) == 35 + 15 + 3
    last = final_checkpoint(gathered)
    assert set(last.loc[last["method"] == "bc", "step"]) == {1000}
    assert len(last) == 38
