"""Food-11: 16,643 photographs in 11 categories. Singla, Yuan and Ebrahimi, MADiMa 2016, https://doi.org/10.1145/2986035.2986039

Only the reader is here; the photographs come from whoever has them.
"""

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import final

from pellucid.inputs.photograph import SUFFIXES

CATEGORIES: tuple[str, ...] = tuple(json.loads((files("pellucid") / "data" / "food11.json").read_text(encoding="utf-8")))
"""The 11 categories, each at the place of its label."""
SPLITS = ("training", "validation", "evaluation")
VALIDATION_SHARE = 0.2
"""How much of the training photographs is set aside where the folder has no validation photographs."""
_NAME = re.compile(r"(\d+)_(\d+)\.\w+")


@dataclass(frozen=True)
class Photo:
    """One photograph of the data set: where it is, and the place of its category in CATEGORIES."""

    path: Path
    label: int


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, and why."""

    path: Path
    reason: str


@final
@dataclass(frozen=True)
class Food11:
    """The photographs of a folder, by split, in the order of their names."""

    folder: Path
    training: tuple[Photo, ...]
    validation: tuple[Photo, ...]
    evaluation: tuple[Photo, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def splits(self) -> Iterator[tuple[str, tuple[Photo, ...]]]:
        return ((split, getattr(self, split)) for split in SPLITS)

    def __len__(self) -> int:
        return sum(len(photos) for _, photos in self.splits())

    @property
    def absent(self) -> tuple[str, ...]:
        """Categories without a training photograph: a network trained on these can never learn them."""
        present = {photo.label for photo in self.training}
        return tuple(name for label, name in enumerate(CATEGORIES) if label not in present)

    def without(self, skipped: Iterable[Skipped]) -> "Food11":
        """The same without those files, which are added to the skipped ones."""
        skipped = tuple(skipped)
        bad = {one.path for one in skipped}
        kept = {split: tuple(photo for photo in photos if photo.path not in bad) for split, photos in self.splits()}
        return replace(self, **kept, skipped=self.skipped + skipped)

    @property
    def digest(self) -> str:
        """SHA-256 of the names, labels and splits: whether two runs saw the same data set."""
        lines = [f"{split}/{photo.path.name} {photo.label}\n" for split, photos in self.splits() for photo in photos]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_food11(folder: str | Path) -> Food11:
    """The data set in a folder of files named `<label>_<number>.jpg`, flat or in training, validation and evaluation.

    Where there are no validation photographs, one in five of each category is taken from the training ones: those whose names
    have the smallest hash, so that the choice is the same on every machine. No file is opened. Files without a label in their
    name are skipped. Raises ValueError when nothing can be trained on, or a label is not one of the 11.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ValueError(f"the folder {str(folder)!r} {what}; give the folder of Food-11 photographs")
    inside = {split: folder / split for split in SPLITS if (folder / split).is_dir()}
    if inside and "training" not in inside:
        raise ValueError(
            f"the folder {str(folder)!r} has {' and '.join(inside)} but no training; there is nothing to learn from"
        )
    skipped: list[Skipped] = []
    if inside:
        outside = [Skipped(path, "it lies beside the folder training, not in it") for path in _pictures(folder)]
        skipped += outside
    found = {split: _labelled(path, skipped.append) for split, path in (inside or {"training": folder}).items()}
    training, validation = found["training"], found.get("validation", ())
    if not training:
        raise ValueError(_nothing(inside.get("training", folder), len(skipped)))
    if not validation:
        training, validation = _set_aside(training)
    if not validation:
        raise ValueError(
            f"the folder {str(folder)!r} has no category with two photographs, so none can be set aside to validate on; "
            "add photographs, or a folder named validation"
        )
    return Food11(folder, training, validation, found.get("evaluation", ()), tuple(skipped))


def _pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _labelled(folder: Path, skip: Callable[[Skipped], None]) -> tuple[Photo, ...]:
    photos = []
    for path in _pictures(folder):
        name = _NAME.fullmatch(path.name)
        if name is None:
            skip(Skipped(path, "no label in its name, which should be <label>_<number>.jpg"))
        elif int(name[1]) >= len(CATEGORIES):
            raise ValueError(
                f"{str(path)!r} has the label {name[1]}; Food-11 has {len(CATEGORIES)}, "
                f"0 ({CATEGORIES[0]}) to {len(CATEGORIES) - 1} ({CATEGORIES[-1]}): is this another data set?"
            )
        else:
            photos.append(Photo(path, int(name[1])))
    return tuple(sorted(photos, key=lambda photo: photo.path.name))


def _nothing(folder: Path, skipped: int) -> str:
    wanted = "files named <label>_<number>.jpg, such as 3_17.jpg for an egg"
    if skipped:
        return f"none of the {skipped} pictures in {str(folder)!r} has a label in its name; expected {wanted}"
    return f"the folder {str(folder)!r} holds no picture; expected {wanted}, there or in training, validation and evaluation"


def _set_aside(photos: tuple[Photo, ...]) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """What stays for training, and one in five of each category, at least one where there are two."""
    by_label: dict[int, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_label[photo.label].append(photo)
    aside: set[Photo] = set()
    for same in by_label.values():
        same.sort(key=lambda photo: hashlib.sha256(photo.path.name.encode()).digest())
        aside.update(same[: min(len(same) - 1, math.ceil(len(same) * VALIDATION_SHARE))])
    return tuple(p for p in photos if p not in aside), tuple(p for p in photos if p in aside)
