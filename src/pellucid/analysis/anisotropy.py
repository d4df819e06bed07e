"""How alike the vectors of any two words are, and corrections for it, estimated over a reference set of tokens.

The vectors of a layer point into a narrow cone, so that a raw cosine of 0.8 may be that of two random words. Ethayarajh, EMNLP
2019, https://arxiv.org/abs/1909.00512, measures it and compares with that baseline; Mu and Viswanath, ICLR 2018,
https://arxiv.org/abs/1702.01417, take out the mean and the leading directions; Timkey and van Schijndel, EMNLP 2021,
https://arxiv.org/abs/2109.04404, show that few dimensions make most of a cosine and standardise them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, final, get_args

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from pellucid.models.text import TextEncoder

Correction = Literal["none", "centred", "standardised", "all_but_the_top"]
SAMPLE = {"wikipedia_a.txt": 30, "austen_prideprejudice.txt": 15, "austen_persuasion.txt": 15}
"""Sentences of each shipped text in the reference set for English."""


@final
@dataclass(frozen=True, eq=False)
class Corrector:
    """What is done to each vector of a layer: minus `mean`, without the `directions`, over `scale`."""

    correction: Correction
    mean: Float64[Tensor, "layer hidden"]
    scale: Float64[Tensor, "layer hidden"]
    directions: Float64[Tensor, "layer direction hidden"]

    def __call__(self, vectors: Float[Tensor, "layer token hidden"]) -> Float64[Tensor, "layer token hidden"]:
        moved = vectors.double() - self.mean[:, None]
        if self.directions.shape[1]:
            moved = moved - moved @ self.directions.mT @ self.directions
        return moved / self.scale[:, None]


def corrector(reference: Float[Tensor, "layer token hidden"], correction: Correction) -> Corrector:
    """The correction as estimated over the reference vectors.

    `centred` subtracts their mean; `standardised` also divides each dimension by its standard deviation; `all_but_the_top` also
    takes out their D leading principal directions, D being a hundredth of the dimensions, at least 1 (Mu and Viswanath, section
    2.3; we take them out of the centred vector, so that the corrected reference has mean 0).
    """
    if correction not in get_args(Correction):
        raise ValueError(f"no correction named {correction!r}; known: {', '.join(get_args(Correction))}")
    layers, count, hidden = reference.shape
    vectors = reference.double()
    mean, scale = torch.zeros(layers, hidden).double(), torch.ones(layers, hidden).double()
    directions = torch.zeros(layers, 0, hidden).double()
    if correction == "none":
        return Corrector(correction, mean, scale, directions)
    top = max(1, round(hidden / 100)) if correction == "all_but_the_top" else 0
    if count < top + 2:
        raise ValueError(f"{count} reference tokens are too few for the correction {correction!r}; give at least {top + 2}")
    mean = vectors.mean(1)
    centred = vectors - mean[:, None]
    if correction == "standardised":
        spread = centred.square().mean(1).sqrt()
        scale = torch.where(spread > 0, spread, 1.0)  # a dimension that never moves is 0 once it is centred
    if top:
        directions = torch.linalg.eigh(centred.mT @ centred).eigenvectors[..., -top:].mT
    return Corrector(correction, mean, scale, directions)


def random_words(
    vectors: Float[Tensor, "layer token hidden"], sentences: Int[Tensor, " token"], metric: Literal["euclidean", "cosine"]
) -> Float64[Tensor, " layer"]:
    """The mean cosine or distance between tokens of different sentences, over all such pairs: what two random words have.

    Ethayarajh's measure of anisotropy, section 3.4, which he estimates from a sample of pairs. ValueError for one sentence.
    """
    numbers = sentences.unique(return_inverse=True)[1]
    sizes = torch.bincount(numbers).double()
    pairs = sizes.sum() ** 2 - (sizes**2).sum()
    if not pairs:
        raise ValueError("the reference tokens are of one sentence; give sentences, at least two")
    if metric == "cosine":
        lengths = vectors.double().norm(dim=-1, keepdim=True)
        # the mean over all pairs is that of the sums of the unit vectors, less those of each sentence
        units = torch.where(lengths > 0, vectors.double() / lengths, 0.0)
        sums = torch.zeros(len(vectors), len(sizes), vectors.shape[-1]).double().index_add_(1, numbers, units)
        return (sums.sum(1).square().sum(-1) - sums.square().sum((1, 2))) / pairs
    apart = numbers[:, None] != numbers
    # subtle: in double precision the fast formula, which squares and subtracts, is exact enough for a mean
    return torch.stack([torch.cdist(layer.double(), layer.double())[apart].mean() for layer in vectors])


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """The tokens over which a correction and the baseline are estimated."""

    vectors: Float[Tensor, "layer token hidden"]
    sentences: Int[Tensor, " token"]
    source: str
    """Whose tokens they are, for a caption."""

    def __len__(self) -> int:
        return len(self.sentences)


def sample() -> tuple[str, ...]:
    """Sixty sentences of the shipped English text, half of an encyclopedia and half of two novels; always the same."""
    found: list[str] = []
    for name, count in SAMPLE.items():
        lines = (files("pellucid") / "data" / "text" / name).read_text(encoding="utf-8").splitlines()
        for number in range(count):
            at = number * len(lines) // count
            found.append(next(s for line in lines[at:] for s in _sentences(line) if s not in found))
    return tuple(found)


def _sentences(line: str) -> list[str]:
    """The middling sentences of a paragraph in plain letters, for which no vocabulary of English lacks a piece."""
    parts = [part.strip() + "." for part in line.split(". ")[:-1]]
    return [s for s in parts if s.isascii() and 8 <= len(s.split()) <= 40 and "=" not in s]


def serves(enc: TextEncoder, sentences: Sequence[str]) -> bool:
    """Whether the English sample can stand for what the encoder reads here: Latin letters, by an encoder that knows English.

    It does when it takes fewer than 1.6 pieces a word, and at most one in a hundred for unknown.
    """
    letters = [c for s in sentences for c in s if c.isalpha()]
    if sum(c < "\u0250" for c in letters) < 0.5 * len(letters):
        return False
    tokenizer: Any = enc.tokenizer
    text = list(sample())
    encodings = tokenizer(text, add_special_tokens=False, verbose=False).encodings
    ids = [i for e in encodings for i in e.ids]
    words = sum(len({w for w in e.word_ids if w is not None}) for e in encodings)
    return len(ids) < 1.6 * words and sum(i == tokenizer.unk_token_id for i in ids) <= 0.01 * len(ids)
