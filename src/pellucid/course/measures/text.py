"""What the course measures of a text encoder: heads, guesses, layers and words, by the artefacts of `artefacts/text.py`.

Layers, heads and sentences are numbered as the lab numbers them: layers from 0, the embeddings, or from 1 where there is
attention; heads from 0; sentences from 1. Floors are what an eye can tell of a share, a ratio, a rank or a correlation.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pellucid.analysis.senses import means, silhouette
from pellucid.course.measures import NotComputable, measure
from pellucid.ranks import spearman

Grid = np.ndarray
"""Layer head."""

# ------------------------------------------------------------------------------------------------ heads


@measure(unit="share", floor=0.08, range=(0, 1))
def head_share(heads: Mapping[str, Grid], habit: str, layer: int, head: int) -> float:
    """The share of its attention that a head gives to `special`, `previous`, `next` or `same` tokens."""
    return _at(_grid(heads, habit), layer, head)


@measure(unit="share", floor=0.08, range=(0, 1))
def layer_share(heads: Mapping[str, Grid], habit: str, layer: int) -> float:
    """The same, mean over the heads of a layer."""
    grid = _grid(heads, habit)
    return float(grid[_block(grid, layer)].mean())


@measure(unit="bit", floor=0.5, range=(0, math.inf))
def head_entropy(heads: Mapping[str, Grid], layer: int, head: int) -> float:
    """How evenly a head spreads its attention: 0 is all on one token, and one bit more is twice as many tokens."""
    return _at(heads["entropy"], layer, head)


@measure(unit="rank", floor=2.0, range=(1, math.inf))
def effect_place(effects: Mapping[str, Grid], layer: int, head: int) -> float:
    """The place of a head among all heads by what is lost when it is taken out: 1 is the greatest effect."""
    return _place(effects["effect"], layer, head)


@measure(unit="rank", floor=2.0, range=(1, math.inf))
def attention_place(effects: Mapping[str, Grid], layer: int, head: int) -> float:
    """The place of a head among all heads by the share of its attention on words: 1 is the greatest share."""
    return _place(effects["attention"], layer, head)


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def effect_correlation(effects: Mapping[str, Grid]) -> float:
    """The rank correlation over all heads of effect and attention. NotComputable where either is the same for all heads."""
    effect, attention = effects["effect"].ravel(), effects["attention"].ravel()
    return _order(effect, attention)


# ------------------------------------------------------------------------------------------------ guesses


@measure(unit="share", floor=0.08, range=(0, 1))
def guess_probability(guesses: Mapping[str, Any], without: str = "") -> float:
    """The probability of the guess at the masked word, with another word masked too if one is named."""
    return float(_of(guesses["probability"], without, "word"))


@measure(unit="share", floor=0.08, range=(-1, 1))
def guess_loss(guesses: Mapping[str, Any], without: str) -> float:
    """By how much the probability of the guess falls when another word is masked too; negative where it rises."""
    return float(guesses["probability"][""] - _of(guesses["probability"], without, "word"))


# ------------------------------------------------------------------------------------------------ layers


@measure(unit="share", floor=0.08, range=(0, 1))
def explained(layers: Mapping[str, Any], layer: int) -> float:
    """The share of a layer's variance that its flat picture shows, both axes together."""
    return float(_layer(layers["explained"], layer).sum())


@measure(unit="trustworthiness", floor=0.05, range=(0, 1))
def picture_trust(layers: Mapping[str, Any], layer: int) -> float:
    """Trustworthiness of a layer's picture (Venna and Kaski): 1 where what lies near there is near in all dimensions too."""
    return float(_layer(layers["trust"], layer))


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def answer_apart(layers: Mapping[str, Any], layer: int) -> float:
    """The lab's phase 4: 1 where each token of the answer is farther out than every other token of the passage, 0 by chance."""
    return float(_layer(layers["phases"]["answer"], layer))


@measure(unit="cosine", floor=0.05, range=(-2, 2))
def phase(layers: Mapping[str, Any], name: str, layer: int) -> float:
    """The lab's phase `topics`, `attributes` or `support`: a difference of mean cosines, 0 where there is no sign of it."""
    if name == "answer":
        raise ValueError("the phase `answer` is no difference of cosines; answer_apart measures it")
    return float(_layer(_of(layers["phases"], name, "phase"), layer))


@measure(unit="ratio", floor=0.25, range=(0, math.inf))
def far_out(layers: Mapping[str, Any], layer: int, role: str) -> float:
    """How far a role's tokens lie from the rest of the passage in the flat picture, over how far that rest lies from itself.

    Both are mean distances over pairs. 1: no farther than any token. NotComputable where there is no such token.
    """
    points = _layer(layers["picture"], layer)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    rest = layers["roles"] == "context"
    those = _role(layers, role)
    if role == "context" or rest.sum() < 2:
        raise NotComputable("a role is compared with two or more other tokens of the passage")
    inner = apart[np.ix_(rest, rest)].sum() / (rest.sum() * (rest.sum() - 1))
    return _ratio(float(apart[np.ix_(those, rest)].mean()), float(inner), "the spread of the passage")


@measure(unit="silhouette", floor=0.1, range=(-1, 1))
def roles_apart(layers: Mapping[str, Any], layer: int, first: str, second: str) -> float:
    """The silhouette of two roles in the flat picture: 1 where they lie in two heaps far apart, 0 where they are mixed.

    `passage` is context and answer together. Mean over the tokens, each role counting alike however many tokens it has.
    """
    those = [np.flatnonzero(_role(layers, role)) for role in (first, second)]
    if min(map(len, those)) < 2:
        raise NotComputable("a role of fewer than two tokens has no silhouette")
    points = _layer(layers["picture"], layer)[np.concatenate(those)]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    own = np.repeat([0, 1], [len(one) for one in those])
    to = np.stack([apart[:, own == role].sum(1) for role in (0, 1)], 1)
    count = np.bincount(own)
    inside = to[np.arange(len(own)), own] / (count[own] - 1)
    across = to[np.arange(len(own)), 1 - own] / count[1 - own]
    most = np.maximum(inside, across)
    each = np.where(most > 0, (across - inside) / np.where(most > 0, most, 1), 0.0)
    return float(np.mean([each[own == role].mean() for role in (0, 1)]))


@measure(unit="rank", floor=2.0, range=(1, math.inf))
def neighbour_place(
    layers: Mapping[str, Any], layer: int, word: str, role: str, other: str, other_role: str, in_: str = "picture"
) -> float:
    """The place of one word among the neighbours of another, by Euclidean distance: 1 is the nearest of all tokens.

    Each is the first token that reads so in its role. In the flat `picture`, or in all dimensions: `vectors`.
    """
    points = _layer(_of({name: layers[name] for name in ("picture", "vectors")}, in_, "space"), layer).astype(float)
    here, there = _token(layers, word, role), _token(layers, other, other_role)
    far = np.linalg.norm(points - points[here], axis=1)
    return 1.0 + float(np.sum(np.delete(far, [here, there]) < far[there]))


# ------------------------------------------------------------------------------------------------ words


@measure(unit="cosine", floor=0.05, range=(-1, 1))
def similarity(words: Mapping[str, Any], layer: int, first: int, second: int, correction: str = "none") -> float:
    """The cosine of the word's vectors in two sentences."""
    return float(_pair(words, "cosine", correction, layer, first, second))


@measure(unit="cosine", floor=0.05, range=(-1, 1))
def random_similarity(words: Mapping[str, Any], layer: int, correction: str = "none") -> float:
    """The mean cosine of two random words: without a correction, the anisotropy of the layer."""
    return float(_layer(_correction(words, correction)["random cosine"], layer))


@measure(unit="ratio", floor=0.25, range=(0, math.inf))
def random_distance_times(words: Mapping[str, Any], layer: int, than_layer: int, correction: str = "none") -> float:
    """How many times the mean Euclidean distance of two random words in one layer is that in another."""
    far = _correction(words, correction)["random euclidean"]
    return _ratio(float(_layer(far, layer)), float(_layer(far, than_layer)), "the distance in the other layer")


@measure(unit="cosine", floor=0.05, range=(-2, 2))
def senses_apart(words: Mapping[str, Any], layer: int, correction: str = "none") -> float:
    """The mean cosine of pairs of one sense, minus that of pairs of different senses: the lab's `apart by`."""
    matrix, sense = _senses(words, "cosine", correction, layer)
    within, between = means(matrix, sense[None])
    return float(within[0, 0] - between[0, 0])


@measure(unit="silhouette", floor=0.1, range=(-1, 1))
def senses_silhouette(words: Mapping[str, Any], layer: int, metric: str, correction: str = "none") -> float:
    """How much nearer a sentence is to its own sense than to the nearest other one: by 1 - `cosine`, or by `euclidean`."""
    matrix, sense = _senses(words, metric, correction, layer)
    return float(silhouette(1 - matrix if metric == "cosine" else matrix, sense)[0])


@measure(unit="correlation", floor=0.1, range=(-1, 1))
def metrics_agree(words: Mapping[str, Any], layer: int, correction: str = "none") -> float:
    """The rank correlation, over all pairs of sentences, of cosine similarity and of nearness by Euclidean distance."""
    each = _correction(words, correction)
    pairs = np.triu_indices(len(words["senses"]), 1)
    alike, far = _layer(each["cosine"], layer)[pairs], _layer(each["euclidean"], layer)[pairs]
    return _order(alike, -far)


# ------------------------------------------------------------------------------------------------ what all of them do


def _of(values: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in values:
        raise ValueError(f"no {kind} {name!r}; there are: {', '.join(map(repr, values))}")
    return values[name]


def _grid(heads: Mapping[str, Grid], habit: str) -> Grid:
    shares = {name: grid for name, grid in heads.items() if name != "entropy"}
    return _of(shares, habit, "habit")


def _correction(words: Mapping[str, Any], correction: str) -> Mapping[str, np.ndarray]:
    return _of({name: each for name, each in words.items() if name != "senses"}, correction, "correction")


def _block(grid: Grid, layer: int) -> int:
    """The index of a layer that has attention."""
    if not 1 <= layer <= len(grid):
        raise ValueError(f"no layer {layer}; attention goes from layer 1 to {len(grid)}")
    return layer - 1


def _at(grid: Grid, layer: int, head: int) -> float:
    if not 0 <= head < grid.shape[1]:
        raise ValueError(f"no head {head}; a layer has {grid.shape[1]}, from 0")
    return float(grid[_block(grid, layer), head])


def _layer(values: np.ndarray, layer: int) -> Any:
    if not 0 <= layer < len(values):
        raise ValueError(f"no layer {layer}; layers go from 0, the embeddings, to {len(values) - 1}")
    return values[layer]


def _place(grid: Grid, layer: int, head: int) -> float:
    return 1.0 + float(np.sum(grid > _at(grid, layer, head)))


def _order(one: np.ndarray, other: np.ndarray) -> float:
    """The rank correlation of two lists of numbers."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        raise NotComputable("numbers that are all alike have no order")
    return float(spearman(torch.tensor(one)[None], torch.tensor(other)[None]))


def _ratio(over: float, under: float, what: str) -> float:
    if not under > 0:
        raise NotComputable(f"{what} is {under:g}, and nothing can be divided by it")
    return over / under


def _role(layers: Mapping[str, Any], role: str) -> np.ndarray:
    """Which tokens have the role; `passage` is context and answer."""
    found = np.isin(layers["roles"], ("context", "answer") if role == "passage" else (role,))
    if not found.any():
        raise NotComputable(f"no token is {role!r}; the roles are: {', '.join(sorted(set(layers['roles'].tolist())))}")
    return found


def _token(layers: Mapping[str, Any], word: str, role: str) -> int:
    found = np.flatnonzero(_role(layers, role) & (layers["words"] == word))
    if not len(found):
        raise ValueError(f"no token of the {role} reads {word!r}")
    return int(found[0])


def _pair(words: Mapping[str, Any], metric: str, correction: str, layer: int, first: int, second: int) -> float:
    matrix = _layer(_correction(words, correction)[metric], layer)
    if not (1 <= first <= len(matrix) and 1 <= second <= len(matrix)):
        raise ValueError(f"sentences {first} and {second} of {len(matrix)}; they are counted from 1")
    return float(matrix[first - 1, second - 1])


def _senses(words: Mapping[str, Any], metric: str, correction: str, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrix of one layer, as a stack of one, and the number of each sentence's sense."""
    matrix = _layer(_of(_correction(words, correction), metric, "metric"), layer)
    names = list(dict.fromkeys(words["senses"].tolist()))
    if len(names) < 2 or min(words["senses"].tolist().count(name) for name in names) < 2:
        raise NotComputable("senses are told apart where there are two or more, of two or more sentences each")
    return torch.as_tensor(matrix, dtype=torch.float64)[None], torch.tensor([names.index(s) for s in words["senses"].tolist()])
