"""Which kind of model was given: one that reads pictures, or one that reads text."""

from pellucid.models.activations import Activations
from pellucid.models.image import ImageClassifier
from pellucid.models.text import TextEncoder

CLASSIFIER = "pl.load('imagenet') or pl.ImageClassifier(module, size=(height, width), mean=..., std=...)"
ENCODER = "pl.load('minilm') or pl.TextEncoder(module, tokenizer)"


def check_classifier(model: object) -> None:
    """TypeError for what is no classifier of pictures, with what would do."""
    if not isinstance(model, ImageClassifier):
        raise TypeError(f"{_given(model)}; here a classifier of pictures is wanted: {CLASSIFIER}")


def check_encoder(model: object) -> None:
    """TypeError for what is no encoder of text, with what would do."""
    if not isinstance(model, TextEncoder):
        raise TypeError(f"{_given(model)}; here an encoder of text is wanted: {ENCODER}")


def check_activations(given: object) -> None:
    """TypeError for what is no activations, with what would do; an encoder itself says so of what it has not."""
    if not isinstance(given, Activations | TextEncoder):
        raise TypeError(f"{_given(given)}; here activations are wanted: enc.activations(text) of an encoder such as {ENCODER}")


def _given(model: object) -> str:
    if isinstance(model, ImageClassifier):
        return f"{model!r} reads pictures"
    if isinstance(model, TextEncoder):
        return f"{model!r} reads text"
    return f"{str(model)[:60]!r} is a name and no model" if isinstance(model, str) else f"a {type(model).__name__} was given"
