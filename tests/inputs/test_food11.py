import re
from pathlib import Path

import pytest

from pellucid.inputs.food11 import CATEGORIES, Skipped, read_food11


def folder_of(root: Path, *names: str) -> Path:
    """Empty files: the reader opens none of them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names(photos) -> list[str]:
    return [photo.path.name for photo in photos]


def test_the_categories_are_the_eleven_in_the_order_of_their_labels():
    assert CATEGORIES == (
        "Bread", "Dairy product", "Dessert", "Egg", "Fried food", "Meat", "Noodles/Pasta", "Rice", "Seafood", "Soup",
        "Vegetable/Fruit",
    )  # fmt: skip


def test_splits_are_read_as_they_are(tmp_path):
    data = read_food11(folder_of(tmp_path, "training/0_1.jpg", "training/10_2.JPG", "validation/3_0.jpg", "evaluation/3_0.jpg"))
    assert [(p.path.name, p.label) for p in data.training] == [("0_1.jpg", 0), ("10_2.JPG", 10)]
    assert names(data.validation) == names(data.evaluation) == ["3_0.jpg"]
    assert data.absent == tuple(name for name in CATEGORIES if name not in ("Bread", "Vegetable/Fruit"))


def test_a_flat_folder_sets_one_in_five_of_each_category_aside(tmp_path):
    every = [f"{label}_{n}.jpg" for label in (0, 4) for n in range(10)] + ["7_0.jpg", "8_0.jpg", "8_1.jpg"]
    data = read_food11(folder_of(tmp_path, *every))
    counts = {label: sum(p.label == label for p in data.validation) for label in range(11)}
    assert (counts[0], counts[4], counts[7], counts[8]) == (2, 2, 0, 1)
    assert sorted(names(data.training) + names(data.validation)) == sorted(every)


def test_the_split_depends_on_the_names_alone(tmp_path):
    every = [f"{label}_{n}.jpg" for label in range(11) for n in range(5)]
    first = read_food11(folder_of(tmp_path / "a", *every))
    second = read_food11(folder_of(tmp_path / "b" / "training", *reversed(every)).parent)
    assert names(first.validation) == names(second.validation)
    assert first.digest == second.digest
    assert first.digest != read_food11(folder_of(tmp_path / "c", *every[1:])).digest


def test_files_without_a_label_are_skipped_and_named(tmp_path):
    folder = folder_of(tmp_path, "1_0.jpg", "1_1.jpg", "cat.jpg", "1-2.jpg", "notes.txt", ".1_3.jpg")
    data = read_food11(folder)
    assert [one.path.name for one in data.skipped] == ["1-2.jpg", "cat.jpg"]
    assert data.skipped[0].reason == "no label in its name, which should be <label>_<number>.jpg"


def test_pictures_beside_the_split_folders_are_skipped(tmp_path):
    data = read_food11(folder_of(tmp_path, "training/1_0.jpg", "training/1_1.jpg", "5_0.jpg"))
    assert [str(one.path.name) for one in data.skipped] == ["5_0.jpg"]
    assert "beside the folder training" in data.skipped[0].reason


def test_without_moves_files_to_the_skipped_ones(tmp_path):
    data = read_food11(folder_of(tmp_path, "1_0.jpg", "1_1.jpg", "1_2.jpg"))
    bad = Skipped(data.training[0].path, "broken")
    left = data.without([bad])
    assert len(left) == len(data) - 1
    assert left.skipped == (bad,)
    assert left.digest != data.digest


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no picture; expected files named <label>_<number>.jpg, such as 3_17.jpg for an egg"),
        (["a.jpg", "b.jpg"], "none of the 2 pictures in .* has a label in its name"),
        (["0_0.jpg", "11_3.jpg"], r"has the label 11; Food-11 has 11, 0 \(Bread\) to 10 \(Vegetable/Fruit\)"),
        (["0_0.jpg", "1_0.jpg"], "no category with two photographs, so none can be set aside"),
        (["evaluation/0_0.jpg"], "has evaluation but no training; there is nothing to learn from"),
        (["training/a.txt", "validation/0_0.jpg"], "training' holds no picture"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        read_food11(folder_of(tmp_path, *files))


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=re.escape("nowhere' does not exist; give the folder of Food-11 photographs")):
        read_food11(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file"):
        read_food11(tmp_path / "file")
