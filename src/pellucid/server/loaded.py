"""The models that the lab knows by name: the catalog's, and networks that were handed in. Never a path from the network."""

import inspect
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pellucid.models.engine import check_engine
from pellucid.models.image import ImageClassifier
from pellucid.models.load import catalog, load, load_classifier
from pellucid.registry import UnknownName, paper, unknown

if TYPE_CHECKING:
    from pellucid.models.text import TextEncoder


@final
class Models:
    """Models by name, loaded when they are first asked for, which is done in the worker."""

    def __init__(self, given: "Iterable[ImageClassifier | TextEncoder]" = (), engine: str | None = None) -> None:
        """On that engine are all classifiers of pictures, by default on their own.

        ValueError for a network that was handed in without a name, and for an engine that is not there or does not go with it.
        """
        if engine is not None:
            check_engine(engine)
        self._engine = engine
        self._given = {model.name: self._placed(model) for model in given}
        self._shipped: dict[str, ImageClassifier | TextEncoder] = {}
        for name in self._given:
            if name.startswith("sha256:"):
                raise ValueError("a network in the lab is known by its name; give it one: ImageClassifier(..., name='mine')")
        shipped = dict.fromkeys(catalog()["models"], "image") | dict.fromkeys(catalog()["encoders"], "text")
        mine = {name: "image" if isinstance(m, ImageClassifier) else "text" for name, m in self._given.items()}
        self.kinds: dict[str, str] = shipped | mine

    def check(self, name: str, kind: str) -> None:
        """UnknownName for one that is not there, ValueError for one that reads something else."""
        able = [one for one, reads in self.kinds.items() if reads == kind]
        if name not in self.kinds:
            raise UnknownName(unknown("model", name[:100], able))
        if name not in able:
            reads = {"image": "classifies pictures", "text": "reads text"}[self.kinds[name]]
            raise ValueError(f"{name!r} {reads}; here one of these is wanted: {', '.join(map(repr, able))}")

    def image(self, name: str) -> ImageClassifier:
        self.check(name, "image")
        if name not in self._given and name not in self._shipped:
            self._shipped[name] = self._placed(load_classifier(name))  # one, which holds what the engine made of it
        model = self._given[name] if name in self._given else self._shipped[name]
        assert isinstance(model, ImageClassifier)
        return model

    def _placed(self, model: "ImageClassifier | TextEncoder") -> "ImageClassifier | TextEncoder":
        return model.on(self._engine) if isinstance(model, ImageClassifier) else model

    def encoder(self, name: str) -> "TextEncoder":
        self.check(name, "text")
        model = self._given[name] if name in self._given else load(name)
        assert not isinstance(model, ImageClassifier)
        return model

    def mark(self, name: str) -> str:
        """What besides its name tells a model from another: the fingerprint of one that was handed in, and an engine."""
        given = self._given.get(name)
        engine = getattr(given, "engine", None) or (self._engine if self.kinds[name] == "image" else None) or "torch"
        return ("" if given is None else given.fingerprint) + ("" if engine == "torch" else f" on {engine}")

    def entries(self) -> list[dict[str, Any]]:
        """`bodies.ModelEntry` of each, without loading any."""
        entries = [_handed_in(name, model) for name, model in self._given.items()]
        entries += [_classifier(name, e) for name, e in catalog()["models"].items() if name not in self._given]
        return entries + [_encoder(name, e) for name, e in catalog()["encoders"].items() if name not in self._given]


def _handed_in(name: str, model: "ImageClassifier | TextEncoder") -> dict[str, Any]:
    about = {"name": name, "summary": f"A {type(model.module).__name__}, handed in", "ready": True}
    if isinstance(model, ImageClassifier):
        return {
            **about, "kind": "image", "size": model.size, "classes": len(model.labels), "unanswered": list(model.unanswered)
        }  # fmt: skip
    heads = {
        "question_answering": model.answers_questions, "masked_words": model.fills_masks,
        "classification": model.classifies and not model.regression, "regression": model.regression,
    }  # fmt: skip
    return {
        **about, "kind": "text", "layers": model.layers, "heads": model.heads,
        "heads_for": [head for head, there in heads.items() if there], "labels": _labels(model),
    }  # fmt: skip


def _labels(model: "TextEncoder") -> list[str]:
    from pellucid.analysis.token_targets import class_labels

    try:
        return class_labels(model) if model.classifies else []
    except ValueError:  # numbered from 1: said where they are asked about
        return []


def _classifier(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    architecture = catalog()["architectures"][entry["architecture"]]
    lack = _lack(entry["weights"]) if "weights" in entry else None
    labels = architecture.get("labels", ())
    if isinstance(labels, str):
        labels = json.loads(_place(labels).read_text(encoding="utf-8")) if _lack(labels) is None else ()
    return {
        "name": name, "kind": "image", "summary": entry["description"], "ready": lack is None, "why_not": lack,
        "size": tuple(architecture["size"]), "classes": len(labels) or None,
        "unanswered": list(architecture.get("unanswered", ())), "architecture": entry["architecture"],
    }  # fmt: skip


def _encoder(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    config = f"{entry['folder']}/config.json"
    lacks = [_lack(config), *([_lack(entry["weights"])] if "weights" in entry else [])]
    lack = next((one for one in lacks if one is not None), None)
    about = json.loads(_place(config).read_text(encoding="utf-8")) if lacks[0] is None else {}
    return {
        "name": name, "kind": "text", "summary": entry["description"], "ready": lack is None, "why_not": lack,
        "layers": about.get("num_hidden_layers"), "heads": about.get("num_attention_heads"),
        "heads_for": [entry["head"]] if "head" in entry else [],
    }  # fmt: skip


def _lack(place: str) -> str | None:
    """What lacks of a file inside an installed package, in plain words."""
    package, path = place.split(":")
    try:
        there = _place(place).is_file()
    except ModuleNotFoundError:
        return f"the package {package.replace('_', '-')} is not installed: pip install {package.replace('_', '-')}"
    return None if there else f"the package {package.replace('_', '-')} has no file {path}; install it again"


def _place(place: str) -> Path:
    package, path = place.split(":")
    return Path(str(files(package) / path))


def method_entry(method: Any) -> dict[str, Any]:
    """`bodies.MethodEntry` of a method."""
    return {
        "name": method.name,
        "summary": (inspect.getdoc(method) or "").splitlines()[0],
        "paper": paper(method),
        "options": method.options.model_json_schema(),
        "presets": {
            name: {"options": dict(p.options), "view": dict(p.view), "description": p.description}
            for name, p in method.presets.items()
        },
    }


def metric_entry(metric: Any) -> dict[str, Any]:
    """`bodies.MetricEntry` of a metric."""
    return {
        "name": metric.name,
        "summary": (inspect.getdoc(metric) or "").splitlines()[0],
        "paper": paper(metric),
        "higher_is_better": metric.higher_is_better,
        "unit": metric.unit,
    }
