"""Hidden states, layer by layer, in two or three dimensions; as van Aken, Winter, Löser and Gers look at question answering.

How Does BERT Answer Questions?, CIKM 2019, https://arxiv.org/abs/1909.04925, section 3.3: a PCA of each layer's token vectors.
What they leave open is said here: how one layer's picture is turned to match the next one's, and how much of it to believe.
"""

from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from pellucid.analysis.trustworthiness import neighbours_of, trustworthiness
from pellucid.inputs.text import Role, Tokens
from pellucid.models.activations import Activations, Pooling
from pellucid.models.kinds import check_activations

Basis = Literal["layer", "shared"]


@final
@dataclass(frozen=True, eq=False)
class Projection:
    """One text's tokens in a few dimensions at every layer: `coordinates = (hidden states - mean) @ axes.T`."""

    tokens: Tokens
    """The text, as a batch of one row."""
    places: tuple[int, ...]
    """Which of its tokens were projected, in order: all, or all but the specials."""
    coordinates: Float64[Tensor, "layer_and_embedding token component"]
    explained_variance_ratio: Float64[Tensor, "layer_and_embedding component"]
    """Share of that layer's own variance that lies along each drawn axis; 0 at a layer whose vectors are all the same."""
    mean: Float64[Tensor, "layer_and_embedding hidden"]
    axes: Float64[Tensor, "layer_and_embedding component hidden"]
    """Of length 1 and at right angles to each other; turned already, where layers were aligned."""
    basis: Basis
    aligned: bool
    """Whether each layer's picture was turned or mirrored, never stretched, to lie as close to the previous one's as it can."""
    trustworthiness: Float64[Tensor, " layer_and_embedding"]
    """Venna and Kaski's, of each layer's picture; NaN for two tokens, which have no neighbourhoods."""
    neighbours: int
    """That many of each token's neighbours were compared for it."""
    pooled: Pooling | None = None
    method: Literal["pca"] = "pca"

    @property
    def labels(self) -> tuple[str, ...]:
        """What each projected token reads."""
        return tuple(self.tokens.surface(0, at) for at in self.places)

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(self.tokens.roles[0][at] for at in self.places)


def project(
    act: Activations,
    *,
    method: Literal["pca"] = "pca",
    basis: Basis = "layer",
    components: int = 2,
    row: int = 0,
    specials: bool = True,
    align: bool = False,
    neighbours: int = 5,
) -> Projection:
    """One text's hidden states in `components` dimensions at each layer, 0 (embeddings) to the last.

    `basis="layer"` fits a PCA to each layer and, with `align`, turns or mirrors its picture onto the previous layer's
    (orthogonal Procrustes: distances inside a layer stay), so that what moves from one picture to the next did move; without
    `align` the axes are each layer's principal axes. `basis="shared"` fits one PCA to the vectors of all layers together, so
    all pictures have the same axes. Exact, in double precision. Trustworthiness compares `neighbours`, or fewer where the text
    is short. ValueError for another method or basis and for fewer tokens than components; IndexError for another row.
    """
    check_activations(act)
    if method != "pca":
        raise ValueError(f"no method named {method!r}; known: pca")
    if basis not in get_args(Basis):
        raise ValueError(f"no basis named {basis!r}; known: {', '.join(get_args(Basis))}")
    act = act.row(row)
    special = act.tokens.special[0].tolist()
    places = tuple(at for at in range(act.tokens.lengths[0]) if specials or not special[at])
    vectors = act.hidden_states[:, 0, list(places)].double()
    layers, count, hidden = vectors.shape
    if components < 1 or components > hidden:
        raise ValueError(f"components={components}; hidden states have {hidden} dimensions, so give 1 to {hidden}")
    if count < components:
        raise ValueError(
            f"{count} tokens{'' if specials else ' without specials'} cannot be laid out in {components} components; "
            f"read a text of at least {components} tokens or ask for fewer components"
        )
    if basis == "shared":
        mean, axes = pca(vectors.flatten(0, 1), components)
        means, turned = mean.expand(layers, -1), axes.expand(layers, -1, -1)
    else:
        fits = [pca(layer, components) for layer in vectors]
        means, turned = torch.stack([m for m, _ in fits]), torch.stack([a for _, a in fits])
        if align:
            turned = aligned_axes(vectors, means, turned)
    coordinates = torch.einsum("lth,lch->ltc", vectors - means[:, None], turned)
    near = neighbours_of(count, neighbours)
    trust = [trustworthiness(v, c, near) if near else torch.nan for v, c in zip(vectors, coordinates, strict=True)]
    return Projection(
        act.tokens, places, coordinates, variance_shares(vectors, coordinates), means, turned, basis,
        align and basis == "layer", torch.tensor(trust, dtype=torch.float64), near, act.pooled,
    )  # fmt: skip


def pca(
    vectors: Float[Tensor, "point feature"], components: int
) -> tuple[Float64[Tensor, " feature"], Float64[Tensor, "component feature"]]:
    """The mean and the axes of greatest variance, greatest first: eigenvectors of the covariance, in double precision.

    An eigenvector has no sign of its own; here each one's largest loading by magnitude is positive. Points are no fewer than
    `components`.
    """
    vectors = vectors.double()
    mean = vectors.mean(0)
    centred = vectors - mean
    if len(vectors) < vectors.shape[1]:  # a short text: the same axes, without a covariance of hidden x hidden
        axes = torch.linalg.svd(centred, full_matrices=False).Vh[:components]
    else:
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1).T[:components]  # eigenvalues come smallest first
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return mean, axes * largest.sign()


def procrustes(
    picture: Float[Tensor, "point component"], onto: Float[Tensor, "point component"]
) -> Float64[Tensor, "component component"]:
    """The orthogonal R that brings `picture @ R` closest to `onto`, in the sum of squares. Schönemann, Psychometrika 1966."""
    u, _, vh = torch.linalg.svd(picture.double().T @ onto.double())
    return u @ vh


def aligned_axes(
    vectors: Float64[Tensor, "layer token hidden"],
    means: Float64[Tensor, "layer hidden"],
    axes: Float64[Tensor, "layer component hidden"],
) -> Float64[Tensor, "layer component hidden"]:
    """The axes of each layer turned within the space they span, so that its picture lies closest to the layer's before."""
    turned = [axes[0]]
    for n in range(1, len(vectors)):
        before = (vectors[n - 1] - means[n - 1]) @ turned[-1].T
        turned.append(procrustes((vectors[n] - means[n]) @ axes[n].T, before).T @ axes[n])
    return torch.stack(turned)


def variance_shares(
    vectors: Float64[Tensor, "layer token hidden"], coordinates: Float64[Tensor, "layer token component"]
) -> Float64[Tensor, "layer component"]:
    """Share of each layer's variance along each axis of its picture."""
    spread = (coordinates - coordinates.mean(1, keepdim=True)).square().sum(1)
    total = (vectors - vectors.mean(1, keepdim=True)).square().sum((1, 2))
    # subtle: rounding leaves a trace of variance in vectors that are all equal
    some = total > 1e-24 * vectors.square().sum((1, 2)).clamp(min=1e-300)
    return torch.where(some[:, None], spread / total.clamp(min=1e-300)[:, None], torch.zeros_like(spread))
