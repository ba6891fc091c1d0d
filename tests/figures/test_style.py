"""One look per method, no global state, files without a date."""

import json
import subprocess
import sys

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from safemil.catalogue import known_methods, method_named
from safemil.figures.style import (
    figure_style,
    new_figure,
    put_caption,
    save_figure,
)


def _figure():
    with figure_style():
        figure = new_figure(2.0, 1.5)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], marker="o", label="x")
        axes.legend()
    return figure


def test_every_known_method_has_its_own_colour_and_marker():
    known = known_methods().values()
    assert len({method.colour for method in known}) == len(known)
    assert len({method.marker for method in known}) == len(known)


def test_an_unknown_method_looks_the_same_in_every_process():
    code = "from safemil.catalogue import method_named as s; m = s('mine'); print(m.colour, m.marker)"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    mine = method_named("mine")
    assert other.stdout.split() == [mine.colour, mine.marker]
    assert (mine.colour, mine.marker) not in {(each.colour, each.marker) for each in known_methods().values()}


def test_the_style_leaves_no_trace(tmp_path):
    before = json.dumps(dict(mpl.rcParams), default=str)
    save_figure(_figure(), pd.DataFrame({"x": [1]}), tmp_path / "a")
    assert json.dumps(dict(mpl.rcParams), default=str) == before


def test_the_users_settings_do_not_change_the_figure(tmp_path):
    first = save_figure(_figure(), pd.DataFrame({"x": [1]}), tmp_path / "a")
    with mpl.rc_context({"font.size": 20, "savefig.bbox": "tight", "lines.linewidth": 9}):
        second = save_figure(_figure(), pd.DataFrame({"x": [1]}), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_files_have_their_names_and_no_date(tmp_path):
    paths = save_figure(_figure(), pd.DataFrame({"x": [1.5, None]}), tmp_path / "new" / "figure.v1")
    assert [path.name for path in paths] == ["figure.v1.png", "figure.v1.pdf", "figure.v1.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    png, pdf, csv = (path.read_bytes() for path in paths)
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert b"Producer" not in pdf
    assert csv == b"x\n1.5\nNaN\n"


def test_a_caption_keeps_a_number_and_its_per_cent_on_one_line():
    figure = Figure()
    put_caption(figure, "Bars: 95 % interval, of 100 seeds", 10)
    assert figure.get_suptitle().split("\n") == ["Bars: 95 %", "interval,", "of 100", "seeds"]
