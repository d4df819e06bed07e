"""`load`: a ready model from a name of the catalog, from the user's own file, folder or code, or from the Hub."""

import importlib
import json
import pickle
import tomllib
import warnings
from contextlib import nullcontext
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload
from zipfile import ZipFile, is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pellucid.models.errors import first_line
from pellucid.models.image import ImageClassifier
from pellucid.models.load_code import is_code, load_code
from pellucid.registry import UnknownName, unknown

if TYPE_CHECKING:  # transformers is imported when an encoder is loaded, not before
    from pellucid.models.text import TextEncoder

HUB = "hf:"
WRAPPERS = ("model_state_dict", "state_dict", "model")
"""Keys under which checkpoints are known to keep their weights."""


@cache
def catalog() -> dict[str, Any]:
    """`models` and `architectures`, as the catalog has them."""
    return tomllib.loads((files("pellucid.models") / "catalog.toml").read_text(encoding="utf-8"))


@overload
def load(name: Literal["imagenet", "food11"], *, architecture: None = None) -> ImageClassifier: ...
@overload
def load(name: Literal["minilm", "minilm-mlm", "minilm-qa"], *, architecture: None = None) -> "TextEncoder": ...
@overload
def load(name: str | Path, *, architecture: str) -> ImageClassifier: ...
@overload
def load(name: str | Path, *, architecture: None = None) -> "ImageClassifier | TextEncoder": ...
def load(name: str | Path, *, architecture: str | None = None) -> "ImageClassifier | TextEncoder":
    """A ready model: a name of the catalog; a folder as `transformers` saves it, or `hf:ORG/NAME`, of an image classifier or
    of a BERT-family encoder; the path of a checkpoint of an image classifier together with its architecture; or
    `FILE.py:NAME`, a model that a Python file makes, which is run: a function without arguments, or a ready model in it.

    `ARCHITECTURE:PATH` says a checkpoint and its architecture in one. A checkpoint is safetensors, or a `.pth` that holds
    nothing but tensors; other pickles are refused unread. An encoder has the head that its checkpoint has; a folder's
    classifier reads a picture as the image processor beside it says. Raises KeyError for an unknown name or architecture,
    ValueError for a file or folder that does not fit.
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"a {type(name).__name__} is no name of a model; {_instead(name)}")
    text = str(name)
    prefix, _, rest = text.partition(":")
    if architecture is None and rest and prefix in catalog()["architectures"]:
        architecture, text = prefix, rest
    if architecture is None and text in catalog()["models"]:
        return _shipped(text)
    if architecture is None and text in catalog()["encoders"]:
        return _shipped_encoder(text)
    if architecture is None and is_code(text) and not Path(text).is_dir():
        return load_code(text)
    if architecture is None and (text.startswith(HUB) or Path(text).is_dir()):
        return _load_folder(text.removeprefix(HUB), text, local=not text.startswith(HUB))
    if architecture is None:
        if Path(text).exists():
            known = ", ".join(catalog()["architectures"])
            raise ValueError(
                f"{text!r} is a file of weights; say which architecture they are for, architecture=one of: {known}; or, for "
                "a network of your own, name what makes it and loads them, FILE.py:NAME, or wrap it: "
                "pl.ImageClassifier(module, size=(height, width), mean=..., std=...)"
            )
        names = [*catalog()["models"], *catalog()["encoders"]]
        raise UnknownName(
            f"{unknown('model', text, names)}; or the folder of a model, FILE.py:NAME, or the path of a checkpoint with its "
            "architecture"
        )
    if architecture not in catalog()["architectures"]:
        raise UnknownName(unknown("architecture", architecture, catalog()["architectures"]))
    return _build(architecture, state_dict(Path(text)), name=f"{architecture}:{text}", origin=text)


def _instead(model: Any) -> str:
    """What would do, where a module or a ready model was given for a name."""
    if isinstance(model, ImageClassifier):
        return "a classifier reads pictures: its answers are explained by pl.explain(model, picture, method=...)"
    if hasattr(model, "tokenizer"):
        return "an encoder reads text: its answers are explained by pl.token_scores(encoder, text)"
    if isinstance(model, nn.Module):
        return (
            "wrap a network that reads pictures, pl.ImageClassifier(module, size=(height, width), mean=..., std=...), "
            "and one that reads text, pl.TextEncoder(module, tokenizer)"
        )
    return "give a name of the catalog or a path, or what it names, a pl.ImageClassifier or pl.TextEncoder"


def _load_folder(place: str, name: str, *, local: bool) -> "ImageClassifier | TextEncoder":
    from pellucid.models.folders import read_config

    config = read_config(place, local=local)
    if (config.architectures or [""])[0].endswith("ForImageClassification"):
        from pellucid.models.load_pictures import load_classifier_folder

        return load_classifier_folder(place, name, config, local=local)
    from pellucid.models.load_text import load_encoder_folder

    return load_encoder_folder(place, name, config, local=local)


def check_no_code(name: str, instead: str) -> str:
    """The name, where it stands in a file that somebody may have sent. ValueError where it would have code run."""
    if is_code(name):
        raise ValueError(f"its model is Python code, {name!r}, and no code is run on the word of a file; {instead}")
    return name


def load_classifier(name: str | Path) -> ImageClassifier:
    """`load` for what explains pictures. TypeError for what is no name, ValueError for an encoder."""
    return as_classifier(load(name), name)


def as_classifier(model: "ImageClassifier | TextEncoder", name: str | Path) -> ImageClassifier:
    """What was loaded by that name. ValueError for an encoder."""
    if not isinstance(model, ImageClassifier):
        raise ValueError(
            f"{str(name)!r} is an encoder and reads text; here a classifier of pictures is wanted, such as 'imagenet'"
        )
    return model


def load_encoder(name: str | Path) -> "TextEncoder":
    """`load` for what reads text. ValueError for a classifier of pictures."""
    return as_encoder(load(name), name)


def as_encoder(model: "ImageClassifier | TextEncoder", name: str | Path) -> "TextEncoder":
    """What was loaded by that name. ValueError for a classifier of pictures."""
    if isinstance(model, ImageClassifier):
        raise ValueError(f"{str(name)!r} classifies pictures; here an encoder of text is wanted, such as 'minilm'")
    return model


def untrained(architecture: str) -> ImageClassifier:
    """A new network of that architecture, its weights drawn at random, the caller's to train. KeyError for an unknown one."""
    if architecture not in catalog()["architectures"]:
        raise UnknownName(unknown("architecture", architecture, catalog()["architectures"]))
    return _build(architecture, None, name=f"untrained {architecture}", origin="")


@cache  # a catalog model never changes, and its callers may not change it either
def _shipped(name: str) -> ImageClassifier:
    entry = catalog()["models"][name]
    weights = state_dict(_packaged(entry["weights"])) if "weights" in entry else None
    return _build(entry["architecture"], weights, name=name, origin=f"the weights of {name!r}")


@cache
def _shipped_encoder(name: str) -> "TextEncoder":
    from pellucid.models.load_text import load_shipped

    return load_shipped(name, catalog()["encoders"][name])


def _build(architecture: str, weights: dict[str, Tensor] | None, *, name: str, origin: str) -> ImageClassifier:
    entry = catalog()["architectures"][architecture]
    module_name, attribute = entry["builder"].split(":")
    build = getattr(importlib.import_module(module_name), attribute)
    # subtle: a new module draws its first weights from the global generator, which is the caller's where these are not kept
    with nullcontext() if weights is None else torch.random.fork_rng(devices=[]):
        module: nn.Module = build()
    if weights is not None:
        weights = {entry.get("weights_into", "") + key: tensor for key, tensor in weights.items()}
        _fill(module, weights, origin, architecture)
    labels = entry.get("labels", ())
    if isinstance(labels, str):
        labels = json.loads(_packaged(labels).read_text(encoding="utf-8"))
        labels = [labels[str(i)] for i in range(len(labels))] if isinstance(labels, dict) else labels
    keys = ("mean", "std", "crop", "fit", "interpolation", "channels_last", "unanswered")
    reading = {key: entry[key] for key in keys if key in entry}
    return ImageClassifier(module.eval(), size=tuple(entry["size"]), labels=tuple(labels), name=name, **reading)


def _fill(module: nn.Module, weights: dict[str, Tensor], origin: str, architecture: str) -> None:
    expected = module.state_dict()
    missing = [k for k in expected if k not in weights and not k.endswith("num_batches_tracked")]
    extra = [k for k in weights if k not in expected]
    wrong = [k for k in expected if k in weights and weights[k].shape != expected[k].shape]
    if missing or extra or wrong:
        parts = [f"{len(missing)} missing (such as {missing[0]})"] if missing else []
        parts += [f"{len(extra)} unknown (such as {extra[0]})"] if extra else []
        if wrong:
            got, want = tuple(weights[wrong[0]].shape), tuple(expected[wrong[0]].shape)
            parts += [f"{len(wrong)} of another shape (such as {wrong[0]}: {got}, expected {want})"]
        raise ValueError(f"{origin} does not fit the architecture {architecture}: {'; '.join(parts)}")
    module.load_state_dict(weights, strict=False)


def state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint, out of whichever wrapper it uses. ValueError when it is anything but tensors."""
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of other pickle protocols; what follows is an error of ours, or none
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{str(path)!r} is a pickle with more than tensors in it and was not opened, because a pickle can run code. "
            "Save the weights alone: torch.save({'model_state_dict': module.state_dict()}, path)"
        ) from None
    except Exception as error:  # whatever: what is no pickle at all makes the unpickler fail in any way
        if is_zipfile(path) and any(name.endswith("/constants.pkl") for name in ZipFile(path).namelist()):
            raise ValueError(
                f"{str(path)!r} is a TorchScript program, code as well as weights: call torch.jit.load in a Python file of "
                "yours and give FILE.py:NAME, or wrap it, pl.ImageClassifier(module, size=..., mean=..., std=...)"
            ) from None
        raise ValueError(f"{str(path)!r} is not a checkpoint ({type(error).__name__}: {first_line(error)})") from None
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(f"{str(path)!r} holds no dictionary of tensors, neither itself nor under {', '.join(WRAPPERS)}")
    return content


def _packaged(place: str) -> Path:
    package, path = place.split(":")
    return Path(str(files(package) / path))
