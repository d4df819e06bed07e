from typing import Any

import numpy as np
import pytest

from pellucid.render.figures import png_bytes, svg_bytes
from pellucid.render.histograms import Panel, histograms

PANEL = Panel(
    "match: part of speech", ("NOUN", "VERB", ""), np.array([6, 3, 1]), 10,
    np.array([0.3, 0.1, 0.0]), np.array([0.9, 0.6, 0.4]), np.array([0.2, 0.1, 0.7]),
)  # fmt: skip


def test_bars_intervals_and_ticks_stand_at_their_shares():
    axes: Any = histograms([PANEL], title="What is like “bank”", caption="Ten hits.").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.6, 0.3, 0.1]
    whiskers, ticks = axes.collections
    np.testing.assert_allclose([s[:, 0] for s in whiskers.get_segments()], [[0.3, 0.9], [0.1, 0.6], [0.0, 0.4]])
    np.testing.assert_allclose([s[0, 0] for s in ticks.get_segments()], [0.2, 0.1, 0.7])
    assert axes.get_xlim()[1] >= 0.9
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first bar is on top


def test_figures_say_what_the_bars_show():
    svg = svg_bytes(histograms([PANEL])).decode()
    for text in ("(n = 10)", "60 % / 20 %", "30 % / 10 %", ">none<"):
        assert text in svg


def test_the_bars_left_out_are_the_rarest_and_are_counted():
    names = [f"{n:+d}" for n in range(-2, 3)]
    counts = np.array([1, 4, 0, 3, 2])
    panel = Panel("words away", names, counts, 10, np.zeros(5), np.ones(5))
    figure = histograms([panel], most=3)
    axes: Any = figure.axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [0.4, 0.3, 0.2])
    assert "and 2 more, 1 of 10" in svg_bytes(figure).decode()


def test_an_empty_panel_and_several_rows():
    empty = Panel("nothing", (), np.zeros(0, dtype=np.int64), 0, np.zeros(0), np.zeros(0))
    figure = histograms([PANEL, empty, PANEL, PANEL], columns=3, paper="dark")
    assert len(figure.axes) == 3
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="no histogram"):
        histograms([])
    with pytest.raises(ValueError, match="one of each a bar"):
        histograms([Panel("a", ("x",), np.array([1, 2]), 3, np.zeros(2), np.ones(2))])
