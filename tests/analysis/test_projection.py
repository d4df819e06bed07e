from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from pellucid.analysis.projection import pca, procrustes, project
from pellucid.analysis.trustworthiness import distances
from tests.encoders import SENTENCES, tiny

PAIR = (SENTENCES[0], SENTENCES[1])


@pytest.fixture(scope="module")
def act():
    enc = tiny()
    return enc.activations(enc.read(*PAIR))


def fitted(vectors, components=2) -> PCA:
    return PCA(components, svd_solver="full").fit(vectors.double().numpy())


def same_up_to_signs(ours, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * signs, atol=1e-5)


@pytest.mark.parametrize("points", [12, 200])  # fewer points than features, and more
def test_pca_equals_scikit_learn_up_to_sign(points):
    vectors = torch.randn(points, 48, generator=torch.Generator().manual_seed(1)) * torch.linspace(1, 4, 48) + 3
    mean, axes = pca(vectors, 5)
    theirs = fitted(vectors, 5)
    np.testing.assert_allclose(mean.numpy(), theirs.mean_, atol=1e-5)
    same_up_to_signs(axes.T, np.asarray(theirs.components_).T)
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()  # the sign that we chose


def test_each_layer_unaligned_is_that_layer_s_pca(act):
    p = project(act, components=3)
    for n, layer in enumerate(act.hidden_states[:, 0]):
        theirs = fitted(layer, 3)
        same_up_to_signs(p.coordinates[n], theirs.transform(layer.double().numpy()))
        np.testing.assert_allclose(p.explained_variance_ratio[n], theirs.explained_variance_ratio_, atol=1e-5)


def test_aligned_layers_are_turned_and_never_stretched(act):
    plain, turned = project(act), project(act, align=True)
    torch.testing.assert_close(plain.coordinates[0], turned.coordinates[0])
    for n in range(1, len(plain.coordinates)):
        torch.testing.assert_close(torch.cdist(plain.coordinates[n], plain.coordinates[n]),
                                   torch.cdist(turned.coordinates[n], turned.coordinates[n]))  # fmt: skip
        rotation, _ = scipy.linalg.orthogonal_procrustes(plain.coordinates[n].numpy(), turned.coordinates[n - 1].numpy())
        np.testing.assert_allclose(turned.coordinates[n], plain.coordinates[n].numpy() @ rotation, atol=1e-10)
    torch.testing.assert_close(turned.explained_variance_ratio.sum(1), plain.explained_variance_ratio.sum(1))
    assert not torch.allclose(turned.explained_variance_ratio, plain.explained_variance_ratio)
    assert turned.aligned
    assert not plain.aligned
    assert not project(act, basis="shared", align=True).aligned


def test_a_layer_that_only_turned_lies_still(act):
    """Layers that differ by a rotation of the whole space are one picture."""
    base = torch.randn(act.hidden_states.shape[2], 32, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 3, 32)
    turns = [torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(s))).Q for s in range(4)]
    hidden = torch.stack([base @ q for q in turns])[:, None]
    p = project(replace(act, hidden_states=hidden), align=True)
    for layer in p.coordinates[1:]:
        torch.testing.assert_close(layer, p.coordinates[0], atol=1e-4, rtol=0)


def test_procrustes_equals_scipy():
    a, b = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(3)).unbind()
    r = procrustes(a, b)
    np.testing.assert_allclose(r, scipy.linalg.orthogonal_procrustes(a.double().numpy(), b.double().numpy())[0], atol=1e-6)
    torch.testing.assert_close(r @ r.T, torch.eye(3, dtype=torch.float64))


def test_the_shared_basis_is_the_pca_of_all_layers_together(act):
    p = project(act, basis="shared")
    everything = act.hidden_states[:, 0].flatten(0, 1)
    theirs = fitted(everything)
    same_up_to_signs(p.coordinates.flatten(0, 1), theirs.transform(everything.double().numpy()))
    assert (p.axes == p.axes[0]).all()
    assert (p.mean == p.mean[0]).all()
    layer = act.hidden_states[2, 0].double()
    own = (p.coordinates[2].var(0) / layer.var(0).sum()).numpy()  # the share of the layer's own variance
    np.testing.assert_allclose(p.explained_variance_ratio[2], own, atol=1e-10)


def test_in_full_rank_the_shared_basis_keeps_every_distance(act):
    p = project(act, basis="shared", components=32)
    flat = act.hidden_states[:, 0].flatten(0, 1).double()
    drawn = p.coordinates.flatten(0, 1)
    torch.testing.assert_close(distances(drawn), distances(flat))
    torch.testing.assert_close(p.explained_variance_ratio.sum(1), torch.ones(4, dtype=torch.float64))


def test_coordinates_are_what_mean_and_axes_say(act):
    for p in (project(act), project(act, basis="shared", specials=False), project(act.by_word("max"), components=4)):
        source = act if p.pooled is None else act.by_word("max")
        vectors = source.hidden_states[:, 0, list(p.places)].double()
        torch.testing.assert_close(p.coordinates, torch.einsum("lth,lch->ltc", vectors - p.mean[:, None], p.axes))
        gram = p.axes @ p.axes.transpose(1, 2)
        torch.testing.assert_close(gram, torch.eye(gram.shape[1], dtype=torch.float64).expand_as(gram))


def test_trustworthiness_is_scikit_learn_s(act):
    p = project(act)
    for n, layer in enumerate(act.hidden_states[:, 0].double().numpy()):
        expected = sklearn_trustworthiness(layer, p.coordinates[n].numpy(), n_neighbors=p.neighbours)
        assert float(p.trustworthiness[n]) == pytest.approx(expected, abs=1e-12)


def test_a_row_of_a_batch_is_projected_as_if_alone():
    enc = tiny()
    batch = enc.activations(enc.read([PAIR, ("who?", "she reads.")]))
    alone = enc.activations(enc.read("who?", "she reads."))
    torch.testing.assert_close(project(batch, row=1).coordinates, project(alone).coordinates, atol=1e-4, rtol=0)
    assert project(batch, row=1).labels == alone.tokens.surfaces(0)
    assert project(alone, specials=False).roles == tuple(r for r in alone.tokens.roles[0] if r != "special")
    with pytest.raises(IndexError):
        project(batch, row=2)


def test_the_same_twice(act):
    assert (project(act).coordinates == project(act).coordinates).all()


def test_vectors_that_are_all_the_same_explain_nothing(act):
    p = project(replace(act, hidden_states=torch.full_like(act.hidden_states, 0.1)))
    assert (p.explained_variance_ratio == 0).all()
    assert p.coordinates.abs().max() < 1e-12


def test_what_cannot_be_projected_is_said(unchecked):
    enc = tiny()
    act = enc.activations(enc.read("she"))
    assert project(act, specials=False, components=1).trustworthiness.isnan().all()
    with pytest.raises(
        ValueError, match="1 tokens without specials cannot be laid out in 2 components; read a text of at least 2"
    ):
        project(act, specials=False)
    with pytest.raises(ValueError, match="components=40; hidden states have 32 dimensions, so give 1 to 32"):
        project(act, components=40)
    with pytest.raises(ValueError, match="no method named 'tsne'; known: pca"):
        project(act, method="tsne")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no basis named 'common'; known: layer, shared"):
        project(act, basis="common")  # pyright: ignore[reportArgumentType]
