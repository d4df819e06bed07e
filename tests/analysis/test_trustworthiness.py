import pytest
import torch
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from pellucid.analysis.trustworthiness import neighbours_of, trustworthiness


@pytest.mark.parametrize(("points", "neighbours"), [(3, 1), (11, 5), (40, 5), (41, 20)])
def test_equals_scikit_learn(points, neighbours):
    vectors = torch.randn(points, 12, generator=torch.Generator().manual_seed(points))
    picture = torch.randn(points, 2, generator=torch.Generator().manual_seed(7)) * 0.4 + vectors[:, :2]
    expected = sklearn_trustworthiness(vectors.double().numpy(), picture.double().numpy(), n_neighbors=neighbours)
    assert trustworthiness(vectors, picture, neighbours) == pytest.approx(expected, abs=1e-12)


def test_is_one_where_the_picture_is_the_space_and_zero_at_the_worst():
    line = torch.tensor([[0.0], [1.0], [2.1], [3.3]])
    assert trustworthiness(line, 5 * line, 1) == 1.0
    # each point's only neighbour in the picture is its farthest in truth: the paper's worst case, which eq. 1 scales to 0
    ring = torch.tensor([[0.0], [10.0], [1.0], [11.0]])
    worst = torch.tensor([[0.0], [5.0], [5.1], [0.1]])
    assert trustworthiness(ring, worst, 1) == pytest.approx(
        sklearn_trustworthiness(ring.double().numpy(), worst.double().numpy(), n_neighbors=1)
    )
    assert trustworthiness(ring, worst, 1) < 0.3


def test_neighbours_are_fewer_than_half_of_the_points(unchecked):
    assert [neighbours_of(n) for n in (2, 3, 4, 5, 10, 11, 100)] == [0, 1, 1, 2, 4, 5, 5]
    vectors = torch.randn(10, 3)
    with pytest.raises(ValueError, match="neighbours=5 of 10 points; give at least 1 and fewer than half of the points, 5"):
        trustworthiness(vectors, vectors, 5)
    with pytest.raises(ValueError, match="10 vectors and 9 points of a picture"):
        trustworthiness(vectors, vectors[:9], 2)
