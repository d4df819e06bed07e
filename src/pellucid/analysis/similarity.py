"""One word's vectors across sentences: their Euclidean distances and cosine similarities, at every layer."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from pellucid.analysis.anisotropy import Correction, Reference, corrector, random_words, sample, serves
from pellucid.analysis.word import Chosen, Place, choose, is_place
from pellucid.inputs.text import Tokens
from pellucid.models.activations import Pooling
from pellucid.models.kinds import check_encoder
from pellucid.models.text import TextEncoder

Metric = Literal["euclidean", "cosine"]
OWN: Literal["own"] = "own"
BATCH = 16
"""Sentences in one forward pass."""


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """The vectors of one word in each sentence, and how near they lie to each other. `numpy.asarray` gives the matrices."""

    metric: Metric
    """`cosine` is a similarity, 1 for the same direction and -1 for opposite ones; `euclidean` a distance, 0 for the same."""
    pooling: Pooling
    correction: Correction
    layers: tuple[int, ...]
    """Which layer each matrix is of: n is the output of block n, 0 the embedding layer."""
    matrices: Float64[Tensor, "layer sentence sentence"]
    vectors: Float64[Tensor, "layer sentence hidden"]
    """As compared: corrected, and pooled over the pieces of the word."""
    baseline: Float64[Tensor, " layer"]
    """The same metric between random words: its mean over the reference tokens of different sentences, equally corrected."""
    anisotropy: Float64[Tensor, " layer"]
    """The mean cosine between random words as the layer has them, uncorrected; 0 where directions are spread evenly."""
    chosen: tuple[Chosen, ...]
    """Of each sentence, the word and its tokens."""
    reference: str
    """Over which tokens correction and baseline were estimated."""
    reference_tokens: int
    model: str = ""

    @property
    def matrix(self) -> Float64[Tensor, "sentence sentence"]:
        """The matrix, where there is one. ValueError where there are several: `at(layer)` gives one of them."""
        if len(self.layers) > 1:
            raise ValueError(f"there are {len(self.layers)} matrices, of layers {self.layers}; at(layer) gives one of them")
        return self.matrices[0]

    def at(self, layer: int) -> Float64[Tensor, "sentence sentence"]:
        """The matrix of that layer. IndexError for one that was not compared."""
        if layer not in self.layers:
            raise IndexError(f"no layer {layer}; compared were {', '.join(map(str, self.layers))}")
        return self.matrices[self.layers.index(layer)]

    def __array__(self, dtype: np.typing.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        given = self.matrices.numpy() if len(self.layers) > 1 else self.matrices[0].numpy()
        return np.array(given, dtype=dtype, copy=copy)

    @property
    def labels(self) -> tuple[str, ...]:
        """The sentences, with the word in guillemets."""
        return tuple(chosen.marked for chosen in self.chosen)

    @property
    def parts(self) -> tuple[tuple[str, str, str], ...]:
        """Each sentence as what stands before the word, the word, and what stands behind it."""
        return tuple((c.sentence[: c.start], c.word, c.sentence[c.end :]) for c in self.chosen)

    @property
    def rule(self) -> str:
        """How it was computed, for a caption."""
        what = {"cosine": "cosine similarity", "euclidean": "Euclidean distance"}[self.metric]
        how = {"none": "vectors as they are", "all_but_the_top": "all but the top"}.get(self.correction, self.correction)
        return f"{what} of {self.model}'s hidden states, {how}; pieces of a word pooled by {self.pooling}"


def compare(
    enc: TextEncoder,
    sentences: Sequence[str],
    words: Place | Sequence[Place],
    *,
    metric: Metric = "cosine",
    layer: int | Literal["all"] | None = None,
    pooling: Pooling = "mean",
    correction: Correction = "none",
    reference: Sequence[str] | Literal["own"] | None = None,
) -> Comparison:
    """How near one word's vectors lie in each pair of sentences, at one layer or, without `layer`, at all of them.

    `words` is one place for all sentences or a list with one each: a word (its first occurrence), a character's position, a
    span of characters, or `(word, 2)` for its second occurrence. What is looked for as written is found whatever its case
    only where it is not there as written; see `occurrences`. The pieces of a word are corrected, then pooled.

    `reference` are the sentences over whose tokens, specials left out, the correction and the baseline are estimated. By
    default they are sixty shipped ones for an encoder and sentences of English, and otherwise the sentences themselves, which
    "own" asks for: few tokens, and the words compared are among them. `Comparison.reference` says which it was.

    Raises ValueError for fewer than two sentences, a word that is not there or that the vocabulary lacks, a text that is empty
    or too long, and a vector of length zero, which has no direction; IndexError for a layer that does not exist.
    """
    check_encoder(enc)
    for value, kind, name in (
        (metric, Metric, "metric"),
        (pooling, Pooling, "pooling"),
        (correction, Correction, "correction"),
    ):
        if value not in get_args(kind):
            raise ValueError(f"no {name} named {value!r}; known: {', '.join(get_args(kind))}")
    if isinstance(sentences, str) or len(sentences) < 2:
        count = "one text" if isinstance(sentences, str) else f"{len(sentences)} sentences"
        raise ValueError(f"{count} to compare; give a list of two or more")
    places = _places(words, len(sentences))
    layers = _layers(layer, enc.layers)
    tokens = enc.read(list(sentences))
    unknown = enc.tokenizer.unk_token_id
    chosen = tuple(choose(tokens, row, place, unknown) for row, place in enumerate(places))
    own = states(enc, tokens)
    over = _reference(enc, tokens, own, reference)
    correct = corrector(over.vectors[layers], correction)
    vectors = torch.stack(
        [
            pooled(_corrected(correct(state[layers][:, list(one.tokens)]), state[layers][:, list(one.tokens)]), pooling)
            for state, one in zip(own, chosen, strict=True)
        ],
        dim=1,
    )
    return Comparison(
        metric, pooling, correction, tuple(layers), {"cosine": cosine, "euclidean": euclidean}[metric](vectors), vectors,
        random_words(correct(over.vectors[layers]), over.sentences, metric),
        random_words(over.vectors[layers], over.sentences, "cosine"), chosen, over.source, len(over), enc.name,
    )  # fmt: skip


def euclidean(vectors: Float[Tensor, "layer sentence hidden"]) -> Float64[Tensor, "layer sentence sentence"]:
    """The length of each difference of two vectors, in the vectors' own unit."""
    # subtle: never by squares and products, which would leave equal vectors apart
    return torch.cdist(vectors.double(), vectors.double(), compute_mode="donot_use_mm_for_euclid_dist")


def cosine(vectors: Float[Tensor, "layer sentence hidden"]) -> Float64[Tensor, "layer sentence sentence"]:
    """The cosine of the angle between each two vectors: 1 for the same direction. ValueError for a vector of length zero."""
    values = vectors.double()
    largest = values.abs().amax(-1, keepdim=True)
    if (largest == 0).any():
        layer, row = (largest[..., 0] == 0).nonzero()[0].tolist()
        raise ValueError(
            f"vector {row + 1} of matrix {layer} has length zero, so it has no direction and no cosine; "
            "compare by euclidean, or without a correction that takes it away"
        )
    units = values / largest  # before the length, whose square could overflow or vanish
    units = units / units.norm(dim=-1, keepdim=True)
    found = (units @ units.mT).clamp(-1, 1)
    found = (found + found.mT) / 2
    found.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    return found


def pooled(vectors: Float[Tensor, "layer piece hidden"], pooling: Pooling) -> Float[Tensor, "layer hidden"]:
    """One vector of the pieces' vectors: their mean, sum, largest value in each dimension, or the first."""
    ways = {"mean": lambda v: v.mean(1), "sum": lambda v: v.sum(1), "max": lambda v: v.amax(1), "first": lambda v: v[:, 0]}
    return ways[pooling](vectors)


def states(enc: TextEncoder, tokens: Tokens) -> list[Float32[Tensor, "layer _ hidden"]]:
    """The hidden states of each text, without filling, read in batches."""
    found: list[Tensor] = []
    for start in range(0, len(tokens), BATCH):
        some = tokens[start : start + BATCH]
        hidden = enc.activations(some).hidden_states.cpu()
        found += [hidden[:, row, :length] for row, length in enumerate(some.lengths)]
    return found


def _corrected(
    vectors: Float64[Tensor, "layer piece hidden"], raw: Float32[Tensor, "layer piece hidden"]
) -> Float64[Tensor, "layer piece hidden"]:
    """The vectors, those that are zero but for rounding made zero, so that no direction is read out of it."""
    gone = vectors.norm(dim=-1, keepdim=True) <= 1e-12 * raw.double().norm(dim=-1, keepdim=True)
    return torch.where(gone, 0.0, vectors)


def _places(words: Place | Sequence[Place], count: int) -> list[Place]:
    if is_place(words):
        return [words] * count
    if not isinstance(words, Sequence):
        raise TypeError(f"words is a {type(words).__name__}; give a word, a place, or a list with one a sentence")
    places: list[Place] = []
    for one in words:
        if not is_place(one):
            raise TypeError(f"{one!r} is no place of a word; give a word, a character, (start, end) or (word, occurrence)")
        places.append(one)
    if len(places) != count:
        raise ValueError(f"{len(places)} words for {count} sentences; give one for all of them, or one each")
    return places


def _layers(layer: int | Literal["all"] | None, last: int) -> list[int]:
    if layer is None or layer == "all":
        return list(range(last + 1))
    if not isinstance(layer, int):
        raise TypeError(f"layer={layer!r}; give a number from 0, the embedding layer, to {last}, or 'all'")
    if not -last - 1 <= layer <= last:
        raise IndexError(f"no layer {layer}; hidden states go from 0, the embedding layer, to {last}")
    return [layer % (last + 1)]


_kept: OrderedDict[tuple[str, tuple[str, ...]], Reference] = OrderedDict()
_lock = threading.Lock()
KEPT = 4
"""References kept in memory, some 20 MB each for the shipped encoder."""


def _reference(
    enc: TextEncoder, tokens: Tokens, own: Sequence[Float32[Tensor, "layer _ hidden"]], given: Sequence[str] | str | None
) -> Reference:
    if given is not None and given != OWN:
        if isinstance(given, str):
            raise ValueError(f"reference={given!r}; give a list of sentences, 'own' for those compared, or nothing")
        return _over(enc, tuple(given), f"{len(given)} reference sentences")
    if given is None and serves(enc, [texts[0] for texts in tokens.texts]):
        return _over(enc, sample(), "60 English sentences")
    return _collected(tokens, own, f"the {len(own)} sentences themselves")


def _over(enc: TextEncoder, sentences: tuple[str, ...], source: str) -> Reference:
    key = (enc.fingerprint, sentences)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    tokens = enc.read(list(sentences))
    made = _collected(tokens, states(enc, tokens), source)
    with _lock:
        _kept[key] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def _collected(tokens: Tokens, states: Sequence[Float32[Tensor, "layer _ hidden"]], source: str) -> Reference:
    """The vectors of all tokens but the specials, and whose each is."""
    real = [(tokens.parts[row, :length] >= 0).nonzero()[:, 0] for row, length in enumerate(tokens.lengths)]
    vectors = torch.cat([state[:, at] for state, at in zip(states, real, strict=True)], dim=1)
    return Reference(vectors, torch.repeat_interleave(torch.tensor([len(at) for at in real])), source)
