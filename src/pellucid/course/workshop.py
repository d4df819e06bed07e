"""Where a course's artefacts are made, one run at a time, and kept by what they are made of."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, final

import numpy as np

from pellucid.course.artefacts import BASE, Axis, Entry, Value, artefacts
from pellucid.course.assignment import digest
from pellucid.course.kept import read_value, size_of, write_value
from pellucid.course.spec import Spec
from pellucid.registry import UnknownName, unknown

if TYPE_CHECKING:
    from pellucid.inputs.image import Images
    from pellucid.inputs.masks import Masks
    from pellucid.models.image import ImageClassifier
    from pellucid.models.text import TextEncoder

    Model = Union[ImageClassifier, TextEncoder]  # noqa: UP007 (the names exist for the type checker only)

IN_MEMORY = 600_000_000
"""Bytes of values that are held in memory; the ones that were not used for longest are let go, and read again when needed."""


@final
@dataclass(frozen=True)
class Run:
    """The base run (`axis` is `base`), or one in which one axis differs; and the value of every artefact asked for."""

    axis: str
    environment: Mapping[str, Value]


@final
class Workshop:
    """Makes artefacts, and finds again what it has made: in memory, and in the folder by the hash of what it was made from."""

    def __init__(self, spec: Spec, folder: str | Path, *, told: Callable[[str], None] = lambda text: None) -> None:
        """`told` hears what is being made, in words, before it is."""
        self.spec = spec
        self.folder = Path(folder)
        self.told = told
        self.made = 0
        """How many values were made because none was kept."""
        self._models: dict[str, Any] = {}
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._held = 0
        self._hashes: dict[str, str] = {}
        self._images: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._masks: dict[tuple[str, tuple[str, ...]], Any] = {}

    # ------------------------------------------------------------------------------------------ what artefacts are made of

    def model(self, name: str) -> "Model":
        """The network that the course calls so, loaded once. KeyError for an unknown name, ValueError for a bad file."""
        if name not in self.spec.models:
            raise UnknownName(unknown("model", name, self.spec.models))
        if name not in self._models:
            self._models[name] = course_model(self._placed(self.spec.models[name]))
        return self._models[name]

    def ids(self, entry: Entry) -> tuple[str, ...]:
        """The ids of an entry's images."""
        return tuple(self.spec.images) if entry.images == "all" else tuple(entry.images)

    def images(self, entry: Entry) -> "Images":
        """An entry's images as its network reads them, in the order of `ids(entry)`."""
        wanted = (entry.model, self.ids(entry))
        if wanted not in self._images:
            self._images[wanted] = self._classifier(entry).read([self.spec.images[id] for id in wanted[1]])
        return self._images[wanted]

    def masks(self, entry: Entry) -> "Masks":
        """The course's masks of an entry's images: the shipped outlines, pictures, or polygons by file name."""
        wanted = (entry.model, self.ids(entry))
        if wanted not in self._masks:
            from pellucid.course.outlines import masks_of

            given = self.spec.masks and str(self.spec.folder / self.spec.masks)
            self._masks[wanted] = masks_of(self.images(entry), self._classifier(entry), given)
        return self._masks[wanted]

    @cached_property
    def image_hashes(self) -> dict[str, str]:
        """SHA-256 of the file of each of the course's images, by id."""
        from pellucid.inputs.photograph import observation_paths

        found: dict[str, str] = {}
        for id, source in self.spec.images.items():
            shipped = source.startswith("observation:")
            path = observation_paths()[int(source.partition(":")[2])] if shipped else Path(source)
            found[id] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def model_hashes(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """What each of these networks is called, and its fingerprint."""
        return {
            name: {"name": self.spec.models[name], "fingerprint": self.model(name).fingerprint} for name in sorted(set(names))
        }

    # ------------------------------------------------------------------------------------------------ artefacts

    def value(self, name: str, axis: Axis = BASE) -> Value:
        """The artefact of that name in a run; one that has no such axis is that of the base run. ValueError where it cannot be
        made, naming it."""
        entry = self._entry(name)
        kind = artefacts[entry.kind]
        axis = self.axes_of(name).get(axis.name, BASE)

        def make() -> Value:
            self.told(f"{name}, {axis.name}")
            try:
                return kind.make(entry, axis, self)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise ValueError(f"the artefact {name!r} ({axis.name}) cannot be made: {error}") from error

        if not kind.kept:
            return self._remembered(digest([self.hash_of(name), axis.name, dict(axis.setting)]), make)
        return self.keep({"artefact": self.hash_of(name), "axis": axis.name, "setting": dict(axis.setting)}, make)

    def keep(self, what: Mapping[str, Any], make: Callable[[], Value]) -> Value:
        """What `make` gives, made only when nothing is kept of this JSON. `what` must say everything that decides the value,
        networks by their fingerprints; the versions of the libraries are added."""
        name = digest([what, self.versions])
        path = self.folder / name[:2] / f"{name}.npz"

        def found() -> Value:
            kept = read_value(path)
            if kept is None:
                kept = make()
                self.made += 1
                write_value(path, kept)
                kept = read_value(path)  # subtle: as everybody else will find it, whatever types `make` used
            return kept

        return self._remembered(name, found)

    def axes_of(self, name: str) -> dict[str, Axis]:
        """The axes of an artefact and of those it is made from, by name."""
        entry = self._entry(name)
        found = {axis.name: axis for other in entry.of for axis in self.axes_of(other).values()}
        return found | {axis.name: axis for axis in artefacts[entry.kind].axes(entry)}

    def axes(self, names: Iterable[str]) -> list[Axis]:
        """The axes that any of these artefacts, or what they are made from, has."""
        return list({axis.name: axis for name in sorted(names) for axis in self.axes_of(name).values()}.values())

    def runs(self, names: Iterable[str]) -> Iterator[Run]:
        """The base run, then one run for every axis."""
        wanted = sorted(names)
        for axis in [BASE, *self.axes(wanted)]:
            yield Run(axis.name, {name: self.value(name, axis) for name in wanted})

    def hash_of(self, name: str) -> str:
        """SHA-256 of all that decides an artefact: entry, kind, network, images, masks, and what it is made from."""
        if name not in self._hashes:
            entry = self._entry(name)
            kind = artefacts[entry.kind]
            self._hashes[name] = digest({
                "entry": entry.model_dump(mode="json"), "version": kind.version,
                "model": self.model(entry.model).fingerprint if entry.model else None,
                "images": [self.image_hashes[id] for id in self.ids(entry)], "ids": list(self.ids(entry)),
                "masks": self._mask_hash(entry) if kind.masked else None,
                "of": {other: self.hash_of(other) for other in entry.of},
            })  # fmt: skip
        return self._hashes[name]

    def _mask_hash(self, entry: Entry) -> str:
        masks = self.masks(entry)
        bits = np.packbits(masks.values.numpy())
        return hashlib.sha256(bits.tobytes() + json.dumps([list(masks.values.shape), *masks.missing]).encode()).hexdigest()

    def _entry(self, name: str) -> Entry:
        if name not in self.spec.entries:
            raise UnknownName(unknown("artefact", name, self.spec.entries))
        return self.spec.entries[name]

    def _classifier(self, entry: Entry) -> "ImageClassifier":
        from pellucid.models.image import ImageClassifier

        model = self.model(entry.model)
        if not isinstance(model, ImageClassifier):
            raise ValueError(f"the model {entry.model!r} is {self.spec.models[entry.model]!r}, which reads no images")
        return model

    def _placed(self, model: str) -> str:
        """A path of the source, which is relative to its folder, as one of this process."""
        before, colon, path = model.rpartition(":")
        inside = self.spec.folder / path
        return f"{before}{colon}{inside}" if path and inside.exists() else model

    @cached_property
    def versions(self) -> dict[str, str]:
        from pellucid.store import environment

        # subtle: not the number of threads nor the processor, so that a folder may be carried to another machine
        return {name: text for name, text in environment().items() if name in ("pellucid", "torch", "numpy")}

    def _remembered(self, name: str, make: Callable[[], Value]) -> Value:
        if name in self._values:
            self._values.move_to_end(name)
            return self._values[name]
        value = make()
        self._values[name] = value
        self._held += size_of(value)
        while self._held > IN_MEMORY and len(self._values) > 1:
            self._held -= size_of(self._values.popitem(last=False)[1])
        return value


def course_model(name: str) -> "Model":
    """A network by the name that a course's source has for it. ValueError for one that Python code would make."""
    from pellucid.models.load import load

    return load(course_name(name))


def course_name(name: str) -> str:
    """The same name, where it may stand in a course's source. ValueError for one of Python code."""
    from pellucid.models.load import check_no_code

    return check_no_code(name, "a course takes a network from a folder or a checkpoint")
