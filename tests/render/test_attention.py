import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from pellucid.render.attention import MARGIN, PALEST, THINNEST, arcs, heat, opacity, stroke
from pellucid.render.colormaps import palette
from pellucid.render.figures import png_bytes, points, svg_bytes
from pellucid.render.heads import Panel, head_grids, overview, short

WORDS = ["[CLS]", "שלום", "日本", "😀", "unwillingly", "[SEP]"]
GENERATOR = np.random.default_rng(0)


def weights(count: int = 6, heads: int = 1) -> np.ndarray:
    made = GENERATOR.random((heads, count, count)) ** 4
    return made / made.sum(-1, keepdims=True)


def drawn(values: np.ndarray, kept: np.ndarray | None = None, **more: object) -> Figure:
    count = len(values)
    kept = values > 0 if kept is None else kept
    labels = (WORDS * count)[:count]
    given = received = np.ones((2, count))
    return arcs(labels, values, kept, given, received, [0, 3], **more)  # pyright: ignore[reportArgumentType]


def axes_of(figure: Figure, name: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_label() == name)


def lines_of(figure: Figure) -> PathCollection:
    (lines,) = (c for c in axes_of(figure, "arcs").collections if isinstance(c, PathCollection))
    return lines


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_every_kept_edge_runs_from_its_query_to_its_key_and_no_other_does():
    values = np.zeros((4, 4))
    values[0, 3], values[2, 1], values[1, 1] = 0.4, 0.2, 0.1
    kept = values > 0.15
    lines = lines_of(drawn(values, kept))
    ends = {
        (float(p.vertices[0][1]), float(p.vertices[-1][1]))  # pyright: ignore[reportArgumentType, reportIndexIssue]
        for p in lines.get_paths()
    }
    assert ends == {(0.5, 3.5), (2.5, 1.5)}


def test_opacity_and_width_are_in_proportion_to_the_weight_and_no_line_is_invisible():
    values = np.zeros((4, 4))
    values[0, 0], values[0, 1], values[1, 2], values[3, 3] = 1.0, 0.5, 0.25, 1e-6
    lines = lines_of(drawn(values))
    opacities, widths = np.asarray(lines.get_edgecolor())[:, 3], np.asarray(lines.get_linewidth())
    np.testing.assert_allclose(opacities, [PALEST, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(widths[1:] / widths[3], [0.25, 0.5, 1.0])
    assert widths[0] == pytest.approx(points(THINNEST))
    assert stroke(0) == THINNEST > 0
    assert opacity(0) == PALEST > 0


def test_the_legend_says_what_the_lines_and_the_columns_stand_for():
    values = np.eye(4) * 0.8
    found = texts(drawn(values, facts=["minilm: 4 tokens", "attention weight, sum of 2 heads"], title="Layer 3"))
    assert {"0.800", "0.400", "0.160 or less", "attention weight; 4 lines", "given", "received", "Layer 3"} <= set(found)
    assert any("share of its row" in text.replace("\n", " ") for text in found)
    assert any("sum of 2 heads" in text.replace("\n", " ") for text in found)


def test_the_legend_stays_within_the_picture():
    labels = [*"abcdefghijklmnopqrstuvwxyz", *"abcdefg"]
    values, part = np.full((33, 33), 0.335), np.ones((4, 33))
    figure = arcs(labels, values, values > 0, part, part, [0, 1, 2, 3], unit="attention weight, sum of 4 heads")
    assert any("1,089 lines" in text.replace("\n", " ") for text in texts(figure))
    right = figure.bbox.width - MARGIN
    assert [text.get_text() for text in figure.texts if text.get_window_extent().x1 > right + 1] == []


def test_columns_of_heads_are_paper_where_nothing_is_given():
    given = np.array([[1.0, 0.0, 0.5, 0.0]])
    figure = arcs(WORDS[:4], np.eye(4), np.eye(4, dtype=bool), given, given * 2, [7])
    cells = np.asarray(axes_of(figure, "given").images[0].get_array())[:, 0]
    np.testing.assert_allclose(cells[1], [1, 1, 1])
    np.testing.assert_allclose(cells[2], (cells[0] + cells[1]) / 2, atol=1e-6)
    assert "7" in texts(figure)
    assert {"1.00", "2.00"} <= set(texts(figure))


def test_nothing_to_show_is_said():
    assert any("no edge to show" in text for text in texts(drawn(np.zeros((3, 3)))))
    png_bytes(drawn(np.zeros((3, 3))))


def test_arcs_of_too_long_a_text_say_what_would_do():
    png_bytes(drawn(np.eye(120)))
    with pytest.raises(ValueError, match=r"121 tokens; arcs can be told apart up to 120\. Draw a heat map instead"):
        drawn(np.eye(121))


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"3 labels for weights of \(4, 4\)"):
        arcs(WORDS[:3], np.eye(4), np.eye(4, dtype=bool), np.ones((1, 4)), np.ones((1, 4)), [0])
    with pytest.raises(ValueError, match="columns of 1 and 1 heads for 2 heads"):
        arcs(WORDS[:4], np.eye(4), np.eye(4, dtype=bool), np.ones((1, 4)), np.ones((1, 4)), [0, 1])
    with pytest.raises(ValueError, match="3 labels for weights"):
        heat(WORDS[:3], np.eye(4))
    with pytest.raises(ValueError, match="NaN or infinite"):
        heat(WORDS[:4], np.full((4, 4), np.nan))


@pytest.mark.parametrize("paper", ["light", "dark"])
@pytest.mark.parametrize("view", ["arcs", "heat"])
def test_any_script_is_drawn_as_png_and_stays_text_in_svg(view: str, paper: str):
    figure = drawn(weights()[0], paper=paper) if view == "arcs" else heat(WORDS, weights()[0], paper=paper)  # pyright: ignore[reportArgumentType]
    assert Image.open(io.BytesIO(png_bytes(figure))).width == round(figure.get_size_inches()[0] * figure.dpi)
    written = "".join(ElementTree.fromstring(svg_bytes(figure)).itertext())
    assert all(word in written for word in WORDS)
    assert png_bytes(figure) == png_bytes(figure)


@pytest.mark.filterwarnings("ignore:Glyph")  # one of the words is Chinese, and a figure is measured with its own letters
def test_texts_lie_inside_the_picture_and_headings_beside_each_other():
    for heads in (1, 12, 16):
        figure = arcs(
            WORDS, weights()[0], weights()[0] > 0, np.ones((heads, 6)), np.ones((heads, 6)), list(range(heads)),
            title="Attention in layer 6, heads " + ", ".join(map(str, range(0, 24, 2))), facts=["a fact " * 40],
        )  # fmt: skip
        png_bytes(figure)
        boxes = {text.get_text(): text.get_window_extent() for text in figure.texts if text.get_text()}
        wide, tall = figure.get_size_inches() * figure.dpi
        for text, box in boxes.items():
            assert -1 <= box.x0 <= box.x1 <= wide + 1, text
            assert -1 <= box.y0 <= box.y1 <= tall + 1, text
        assert not boxes["key"].overlaps(boxes["received"])
        assert not boxes["given"].overlaps(boxes["query"])


def test_the_heat_map_has_rows_for_queries():
    values = np.zeros((3, 3))
    values[0, 2] = 1.0
    picture = np.asarray(axes_of(heat(["a", "b", "c"], values), "attention").images[0].get_array())
    cell = picture.shape[0] // 3
    assert (picture[cell // 2, 2 * cell + cell // 2] == palette("magnitude")[-1]).all()
    assert (picture[2 * cell + cell // 2, cell // 2] == palette("magnitude")[0]).all()


def test_the_heat_map_of_a_long_text_names_some_tokens_and_stays_of_a_size():
    figure = heat([f"word{n}" for n in range(512)], np.eye(512))
    names = [text for text in texts(figure) if text.startswith("word")]
    assert len(names) == 2 * 128
    assert max(figure.get_size_inches() * figure.dpi) < 2000


def test_the_overview_has_a_picture_a_head_on_one_scale():
    attentions = np.zeros((2, 3, 4, 4))
    attentions[0, 0, 0, 0], attentions[1, 2, 0, 0] = 1.0, 0.5
    figure = overview(attentions, [3, 4], [0, 1, 5])
    corner = {
        (n, head): np.asarray(axes_of(figure, f"layer {n} head {head}").images[0].get_array())[0, 0].tolist()
        for n in (3, 4)
        for head in (0, 1, 5)
    }
    assert corner[3, 0] == palette("magnitude")[-1].tolist()
    assert corner[4, 5] == palette("magnitude")[127].tolist()
    assert corner[4, 0] == palette("magnitude")[0].tolist()
    with pytest.raises(ValueError, match="2 layers and 2 heads for values of"):
        overview(attentions, [3, 4], [0, 1])


def test_a_grid_writes_every_number_and_centres_signs_on_zero():
    values = np.array([[0.5, -0.25, 0.0], [0.001, 12.3, -12.3]])
    figure = head_grids(
        [Panel("Effect", values, "bits", "symmetric", ("worse", "better")), Panel("Share", abs(values), "of 1")],
        [1, 2],
        [0, 1, 2],
    )
    effect = axes_of(figure, "Effect")
    assert [text.get_text() for text in effect.texts] == ["0.50", "-0.25", "0", "0.001", "12", "-12"]
    picture = np.asarray(effect.images[0].get_array())
    assert picture[0, -1].tolist() == palette("symmetric")[127].tolist()
    found = texts(figure)
    assert any(text.replace("\n", " ") == "bits; red worse, blue better" for text in found)
    assert {"-12.3", "12.3", "layer 1", "layer 2", "2"} <= set(found)
    with pytest.raises(ValueError, match="no panel"):
        head_grids([], [1], [0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.031234, "0.031"), (0.00391, "0.004"), (-0.1234, "-0.12"), (9.96, "10"), (123.4, "123"), (3.2e-5, "3e-5")],
)
def test_a_number_in_a_cell_is_short(value: float, text: str):
    assert short(value) == text
    assert len(short(-value)) <= 6


def test_a_number_lies_inside_its_cell():
    values = np.array([[-0.00821, -0.00123, 0.00982], [-7.2e-4, 123.0, 0.026]])
    figure = head_grids([Panel("Loss", values, "bits", "symmetric")], [1, 2], [0, 1, 2])
    png_bytes(figure)
    axes = axes_of(figure, "Loss")
    cell = axes.get_window_extent().width / 3
    numbers = [text.get_window_extent() for text in axes.texts]
    assert len(numbers) == 6
    assert max(box.width for box in numbers) <= cell - 6


def test_the_strength_of_lines_has_a_unit():
    figure = drawn(np.eye(4), np.eye(4) > 0, unit="attention weight, sum of 12 heads")
    assert "attention weight, sum of 12 heads; 4 lines" in texts(figure)
