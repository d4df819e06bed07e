from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.segmentation import slic

import pellucid as pl
from pellucid.inputs.photograph import remember
from pellucid.inputs.superpixels import MAX_SUPERPIXELS, Segmentation, grid, read_label_map, superpixels
from tests.conftest import pictures

DRAWN = ("slic", "quickshift", "felzenszwalb")


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    picture = Image.open(pl.observation_paths()[0]).convert("RGB").resize((64, 48))
    return torch.from_numpy(np.array(picture))[None]


def cut(pixels: torch.Tensor, **settings: Any) -> torch.Tensor:
    return superpixels(pixels, Segmentation(**settings), ("a.jpg",))[0]


def count(pixels: torch.Tensor, **settings: Any) -> int:
    return len(cut(pixels, **settings).unique())


def test_a_grid_is_rectangles_of_whole_pixels() -> None:
    expected = [[0, 0, 1, 1, 2, 2]] * 2 + [[3, 3, 4, 4, 5, 5]] * 2
    assert grid(4, 6, 6).tolist() == expected
    assert grid(2, 3, 900).tolist() == [[0, 1, 2], [3, 4, 5]]  # never finer than the pixels


def test_slic_is_that_of_scikit_image_numbered_from_0(photograph: torch.Tensor) -> None:
    theirs = slic(photograph[0].numpy() / 255, n_segments=60, compactness=3, sigma=1.5, start_label=0)
    assert np.array_equal(cut(photograph, segments=60, compactness=3.0, sigma=1.5).numpy(), theirs)


@pytest.mark.parametrize("algorithm", [*DRAWN, "grid"])
def test_every_label_from_0_to_the_last_has_pixels_and_a_second_cut_is_the_same(
    photograph: torch.Tensor, algorithm: Any
) -> None:
    labels = cut(photograph, algorithm=algorithm)
    assert labels.shape == (48, 64)
    assert labels.unique().tolist() == list(range(int(labels.max()) + 1))
    assert torch.equal(labels, cut(photograph, algorithm=algorithm))


@pytest.mark.parametrize(
    ("algorithm", "option", "low", "high", "more_is_more"),
    [
        ("slic", "segments", 20, 100, True),
        ("grid", "segments", 20, 100, True),
        ("felzenszwalb", "scale", 10.0, 200.0, False),
        ("felzenszwalb", "min_size", 5, 100, False),
        ("felzenszwalb", "sigma", 0.0, 3.0, False),
        ("quickshift", "kernel_size", 2.0, 6.0, False),
        ("quickshift", "max_dist", 4.0, 100.0, False),
    ],
)
def test_settings_do_what_they_say(
    photograph: torch.Tensor, algorithm: Any, option: str, low: float, high: float, more_is_more: bool
) -> None:
    few, many = (count(photograph, algorithm=algorithm, **{option: value}) for value in (low, high))
    assert (few < many) == more_is_more
    assert few != many


def test_ratio_weighs_colour_against_place(photograph: torch.Tensor) -> None:
    by_place, by_colour = (cut(photograph, algorithm="quickshift", kernel_size=2.0, max_dist=8.0, ratio=r) for r in (0.0, 1.0))
    assert within(by_colour, photograph) < within(by_place, photograph)


def within(labels: torch.Tensor, pixels: torch.Tensor) -> float:
    """Standard deviation of the colour inside superpixels."""
    values = pixels[0].double().flatten(0, 1)
    mean = torch.stack([values[labels.flatten() == label].mean(0) for label in range(int(labels.max()) + 1)])
    return float((values - mean[labels.flatten()]).std())


def test_compact_superpixels_have_shorter_edges(photograph: torch.Tensor) -> None:
    ragged, square = (cut(photograph, segments=60, compactness=c) for c in (0.1, 100.0))
    edges = [int((m[1:] != m[:-1]).sum() + (m[:, 1:] != m[:, :-1]).sum()) / len(m.unique()) ** 0.5 for m in (ragged, square)]
    assert edges[1] < edges[0]


def test_the_seed_breaks_the_ties_of_quickshift() -> None:
    flat = torch.full((1, 32, 32, 3), 90, dtype=torch.uint8)
    one, again, other = (cut(flat, algorithm="quickshift", kernel_size=1.5, max_dist=4.0, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_each_picture_is_cut_for_itself(relu: pl.ImageClassifier) -> None:
    pixels = pictures(relu, 3).pixels
    together = superpixels(pixels, Segmentation(segments=12), ("a", "b", "c"))
    for picture, labels in zip(pixels, together, strict=True):
        assert torch.equal(cut(picture[None], segments=12), labels)


# ------------------------------------------------------------------------------------------------------- the user's own


LABELS = np.array([[7, 7, 7, 9], [-2, -2, 300, 9]])
NUMBERED = [[1, 1, 1, 2], [0, 0, 3, 2]]


@pytest.mark.parametrize("given", [LABELS, torch.from_numpy(LABELS), LABELS.astype(np.int16)], ids=["array", "tensor", "int16"])
def test_an_own_map_is_renumbered_in_the_order_of_its_labels(given: Any) -> None:
    assert read_label_map(remember(given), (2, 4)).tolist() == NUMBERED


def test_an_own_map_can_be_a_file(tmp_path: Path) -> None:
    positive = (LABELS + 2).astype(np.uint16)
    np.save(tmp_path / "map.npy", LABELS)
    Image.fromarray(positive).save(tmp_path / "16bit.png")
    grey = Image.fromarray((positive % 256).astype(np.uint8))
    grey.save(tmp_path / "grey.tif")
    palette = grey.convert("P")
    palette.putdata([3, 3, 3, 4, 0, 0, 5, 4])
    palette.putpalette([c for c in range(255, -1, -1) for _ in range(3)])  # colours that run the other way
    palette.save(tmp_path / "palette.png")
    for name in ("map.npy", "16bit.png", "palette.png"):
        assert read_label_map(str(tmp_path / name), (2, 4)).tolist() == NUMBERED, name
    assert read_label_map(str(tmp_path / "grey.tif"), (2, 4)).unique().tolist() == [0, 1, 2, 3]
    assert read_label_map(remember(palette), (2, 4)).tolist() == NUMBERED
    Image.fromarray(LABELS == 7).save(tmp_path / "bits.png")
    assert read_label_map(str(tmp_path / "bits.png"), (2, 4)).tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 2), int), r"the label map is 4 x 2; expected the network's 2 x 4 \(height x width\)"),
        (np.zeros((1, 2, 4), int), r"the label map is 1 x 2 x 4; expected the network's 2 x 4 \(height x width\)"),
        (np.zeros((2, 4)), "the label map holds float64 values; expected integers, one for each superpixel"),
        (Image.new("RGB", (4, 2)), "the label map is a picture of mode RGB; expected one integer a pixel: grey, palette or 16"),
        (Image.new("L", (2, 4)), r"the label map is 4 x 2; expected the network's 2 x 4 \(height x width\)"),
    ],
)
def test_says_what_is_wrong_with_an_own_map(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_label_map(remember(given), (2, 4))


def test_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no label map at '.*none\.npy'; give a \.npy file or a picture of one integer"
    ):
        read_label_map(str(tmp_path / "none.npy"), (2, 4))
    np.save(tmp_path / "pickled.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("not an array")
    for name in ("pickled.npy", "text.npy"):
        with pytest.raises(ValueError, match=rf"the label map '.*{name}' is not an array of numbers in \.npy: "):
            read_label_map(str(tmp_path / name), (2, 4))
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"the label map '.*' is neither \.npy nor a picture in a known format"):
        read_label_map(str(tmp_path / "text.png"), (2, 4))
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"the label map '.*' cannot be read, it is truncated or damaged: "):
        read_label_map(str(tmp_path / "half.png"), (64, 64))


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"algorithm": "felzenszwalb"},
            "felzenszwalb finds 1 superpixel in a.jpg; at least 2 are needed: lower scale or min_size",
        ),
        (
            {"algorithm": "quickshift"},
            "quickshift finds 1 superpixel in a.jpg; at least 2 are needed: lower kernel_size or max_dist",
        ),
        ({"algorithm": "slic", "segments": 2}, "slic finds 1 superpixel in a.jpg; at least 2 are needed: raise segments"),
    ],
)
def test_one_superpixel_is_refused_with_what_would_do(settings: dict[str, Any], message: str) -> None:
    flat = torch.full((1, 16, 16, 3), 90, dtype=torch.uint8)
    with pytest.raises(ValueError, match=message):
        cut(flat, **settings)


def test_an_own_map_of_one_label_is_refused() -> None:
    how = Segmentation("labels", label_map=remember(np.zeros((16, 16), int)))
    with pytest.raises(ValueError, match="labels finds 1 superpixel in b; at least 2 are needed: give a map with more labels"):
        superpixels(torch.zeros(1, 16, 16, 3, dtype=torch.uint8), how, ("b",))


def test_too_many_superpixels_are_refused() -> None:
    how = Segmentation("labels", label_map=remember(np.arange(40 * 40).reshape(40, 40)))
    message = f"labels finds 1600 superpixels in b; at most {MAX_SUPERPIXELS} can be told apart: give a map with fewer labels"
    with pytest.raises(ValueError, match=message):
        superpixels(torch.zeros(1, 40, 40, 3, dtype=torch.uint8), how, ("b",))


def test_a_map_and_the_algorithm_that_reads_it_go_together() -> None:
    with pytest.raises(ValueError, match=r"segmentation='labels' needs label_map: a \.npy file"):
        Segmentation("labels")
    with pytest.raises(
        ValueError, match="label_map is given but segmentation='slic' does not read it; set segmentation='labels'"
    ):
        replace(Segmentation("labels", label_map="map.npy"), algorithm="slic")
