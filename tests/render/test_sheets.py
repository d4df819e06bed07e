import io
import threading
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pellucid.render.colormaps import limits
from pellucid.render.figures import png_bytes, save, svg_bytes
from pellucid.render.heatmaps import heatmap, overlay
from pellucid.render.rows import heatmap_row, overlay_row, photograph_row, superpixel_row
from pellucid.render.sheets import explanation, sheet
from tests.render.toy import COLUMNS, MAPS, PIXELS, rows


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_sheet_has_a_picture_for_every_image_and_row_and_a_legend_for_every_map_row():
    figure = sheet(COLUMNS, rows(), "Why?")
    names = [str(axes.get_label()) for axes in figure.axes]
    expected = [f"{row} {n}" for row in ("Photograph", "Saliency", "Over the photograph") for n in range(3)]
    assert sorted(names) == sorted([*expected, "Saliency legend", "Over the photograph legend"])


def test_images_stand_in_columns_and_methods_in_rows():
    figure = sheet(COLUMNS, rows())
    at = {str(axes.get_label()): axes.get_position() for axes in figure.axes}
    assert at["Saliency 0"].x0 == at["Photograph 0"].x0 < at["Saliency 1"].x0 < at["Saliency 2"].x0
    numbers = {text.get_text(): text.get_position()[0] for text in figure.texts if text.get_fontweight() == "bold"}
    for number in range(3):
        box = at[f"Photograph {number}"]
        assert numbers[str(number)] == pytest.approx((box.x0 + box.x1) / 2)
    assert at["Photograph 0"].y0 > at["Saliency 0"].y0 == at["Saliency 2"].y0 > at["Over the photograph 0"].y0


def test_a_part_of_a_collection_is_numbered_on_and_variants_are_named_instead():
    numbers = {"0", "1", "2", "5", "6", "7"}
    assert numbers & set(texts(sheet(COLUMNS, [rows()[0]], first=5))) == {"5", "6", "7"}
    named = sheet(COLUMNS, [rows()[0]], first=None)
    assert not numbers & set(texts(named))
    assert {"cup.jpg", "c"} <= {text.get_text() for text in named.texts if text.get_fontweight() == "bold"}


def test_a_sheet_says_what_is_explained_with_which_limits_and_units():
    said = texts(sheet(COLUMNS, rows(), "Why?"))
    assert {
        "Why?",
        "0",
        "1",
        "2",
        "cup.jpg",
        "espresso 95 %",
        "spiny lobster 40 %",
        "logit per input unit",
        "64 samples",
    } <= set(said)
    high = [limits(one, "symmetric", 0.995).high for one in MAPS]
    assert f"±{high[1]:.2f}\nerror 0.2" in said
    assert {"+max", "-max"} <= set(said)
    shared = limits(list(MAPS), "symmetric", 0.995).high
    assert f"-{shared:.2f}" in said


def test_each_map_has_its_own_limits_unless_they_are_shared():
    over = overlay_row("x", MAPS, PIXELS, "logit", quantile=1)
    one, two = (heatmap_row("x", MAPS, "logit", quantile=1, shared=shared) for shared in (False, True))
    for n, values in enumerate(MAPS):
        assert (one.images[n] == heatmap(values, limits(values, "symmetric"))).all()
        assert (over.images[n] == overlay(values, PIXELS[n], limits(values, "symmetric"))).all()
        assert (two.images[n] == heatmap(values, limits(list(MAPS), "symmetric"))).all()
    assert "own scale" in one.legend.text  # pyright: ignore[reportOptionalMemberAccess]
    assert "own scale" not in two.legend.text  # pyright: ignore[reportOptionalMemberAccess]
    assert two.captions == ("", "", "")


def test_nothing_leaves_the_figure_or_lies_on_another_thing():
    figure = sheet(COLUMNS, rows(), "A title that is much too long for the width of such a sheet, and so must be cut " * 3)
    png_bytes(figure)
    renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    boxes += [axes.get_window_extent(renderer) for axes in figure.axes]
    width, height = figure.bbox.size
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_png_has_the_maps_pixels_in_whole_blocks():
    figure = sheet(COLUMNS, rows())
    drawn = decoded(png_bytes(figure))
    assert drawn.shape[::-1][1:] == tuple(int(side) for side in figure.bbox.size)
    box = {str(a.get_label()): a.get_window_extent() for a in figure.axes}["Saliency 1"]
    top, left, side = round(drawn.shape[0] - box.y1), round(box.x0), round(box.width)
    assert side == 224
    inside = drawn[top : top + side, left : left + side].reshape(16, 14, 16, 14, 3)
    assert (inside == rows()[1].images[1][:, None, :, None]).all()


def test_an_svg_is_xml_with_its_labels_as_text():
    root = ElementTree.fromstring(svg_bytes(sheet(COLUMNS, rows(), "Why <this> & that?")))
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Why <this> & that?", "espresso 95 %", "Saliency"} <= set(said)
    images = list(root.iter("{http://www.w3.org/2000/svg}image"))
    assert len(images) >= 9
    assert all(image.get("{http://www.w3.org/1999/xlink}href", "").startswith("data:image/png") for image in images)


def test_the_same_input_gives_the_same_bytes_in_any_thread():
    first = (png_bytes(sheet(COLUMNS, rows())), svg_bytes(sheet(COLUMNS, rows())))
    other: list[tuple[bytes, bytes]] = []
    thread = threading.Thread(
        target=lambda: other.append((png_bytes(sheet(COLUMNS, rows())), svg_bytes(sheet(COLUMNS, rows()))))
    )
    thread.start()
    thread.join()
    assert other == [first]
    figure = sheet(COLUMNS, rows())
    assert (svg_bytes(figure), png_bytes(figure)) == first[::-1]


def test_names_in_any_script_and_with_mathematics_are_drawn_as_they_are(tmp_path):
    from pellucid.render.rows import Column

    columns = [Column("猫 $x^2$.jpg", "a $ b"), Column("🦀"), Column("سرطان")]
    path = save(sheet(columns, rows()), tmp_path / "sheet.svg")
    said = [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert {"猫 $x^2$.jpg", "a $ b", "🦀", "سرطان"} <= set(said)
    save(sheet(columns, rows()), tmp_path / "sheet.png")


def test_save_goes_by_the_ending(tmp_path):
    figure = sheet(COLUMNS, rows())
    assert save(figure, tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    assert save(figure, tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(ValueError, match=r"'a.pdf' ends in .pdf; pictures are written as .png or .svg"):
        save(figure, tmp_path / "a.pdf")


def test_an_explanation_shows_photograph_map_and_overlay_with_their_legends():
    one = [
        photograph_row(PIXELS[:1]),
        heatmap_row("Map", MAPS[:1], "logit"),
        overlay_row("Over", MAPS[:1], PIXELS[:1], "logit"),
    ]
    figure = explanation(one, "Saliency for espresso", ["espresso 95 %", "error 0.1"], paper="dark")
    at = {str(axes.get_label()): axes.get_position() for axes in figure.axes}
    assert at["Photograph"].x0 < at["Map"].x0 < at["Over"].x0
    assert at["Map legend"].y1 < at["Map"].y0
    assert {"Saliency for espresso", "espresso 95 %\nerror 0.1", "logit; red for, blue against; 0.4 % lie beyond"} <= set(
        texts(figure)
    )
    assert decoded(png_bytes(figure))[0, 0].tolist() == [0x16, 0x19, 0x1D]


def test_large_and_oblong_images_fit():
    pixels = np.zeros((1, 300, 900, 3), np.uint8)
    figure = sheet(COLUMNS[:1], [photograph_row(pixels), heatmap_row("m", np.ones((1, 300, 900)), "logit", note="word " * 60)])
    box = figure.axes[0].get_window_extent()
    assert (round(box.width), round(box.height)) == (224, 75)
    assert len(png_bytes(figure)) > 1000


def test_a_superpixel_row_says_what_it_shows():
    segments = np.arange(16 * 16).reshape(1, 16, 16) // 64
    weights = np.array([[0.2, -0.3, 0.1, 0.0]])
    row = superpixel_row("LIME", PIXELS[:1], segments, weights, "logit per superpixel", top=2, min_weight=0.05)
    assert row.legend is not None
    assert row.legend.text == (
        "from -0.300 to 0.300 logit per superpixel; red for, blue against; the 2 heaviest superpixels of weight 0.05 or more, "
        "the heavier the stronger"
    )


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"row 'Photograph' has 3 pictures for 2 columns"):
        sheet(COLUMNS[:2], rows())
    with pytest.raises(ValueError, match=r"0 columns and 3 rows"):
        sheet([], rows())
    with pytest.raises(ValueError, match=r"2 captions for 3 images"):
        heatmap_row("x", MAPS, "logit", captions=["a", "b"])
    with pytest.raises(ValueError, match=r"3 maps for 2 photographs"):
        overlay_row("x", MAPS, PIXELS[:2], "logit")
    with pytest.raises(ValueError, match=r"rows of \[3, 3, 3\] pictures"):
        explanation(rows())
