import numpy as np
import pytest

from pellucid.analysis.corpus.codes import DISTORTION, fit, nearest, scanner, share_out


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    spread = np.exp(-np.arange(48) / 8)
    turned = np.linalg.qr(generator.normal(size=(48, 48)))[0]
    made = generator.normal(size=(3000, 48)) * spread @ turned
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def decoded(code, stored):
    """Slow replica: the bits of every coordinate read one after another as a number, and turned back."""
    result = np.zeros((len(stored), code.axes.shape[0]))
    for row, one in enumerate(stored):
        bits = "".join(f"{byte:08b}" for byte in one)
        at, values = 0, []
        for size, reach in zip(code.bits.tolist(), code.reach.tolist(), strict=True):
            values.append((int(bits[at : at + size], 2) / (2**size - 1) * 2 - 1) * reach)
            at += size
        result[row] = code.axes @ np.array(values)
    return result


@pytest.mark.parametrize("size", [16, 24])
def test_products_are_those_with_the_decoded_vectors(vectors, size):
    code = fit(vectors, size)
    assert code.bytes == size
    found, products = nearest(scanner(code.encode(vectors)), code, vectors[7], 40)
    slow = decoded(code, code.encode(vectors)) @ vectors[7]
    np.testing.assert_array_equal(np.sort(found), np.sort(np.argsort(-slow)[:40]))
    np.testing.assert_allclose(products, slow[found], atol=1e-5)


def test_more_bytes_lose_less(vectors):
    query = vectors[11]
    errors = []
    for size in (8, 16, 32):
        code = fit(vectors, size)
        found, products = nearest(scanner(code.encode(vectors)), code, query, len(vectors))
        errors.append(float(np.abs(products - vectors[found] @ query).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.003


def test_bits_go_one_after_another_to_where_the_error_falls_most():
    power = np.array([0.5, 0.2, 0.2, 0.06, 0.03, 0.01])
    bits = np.zeros(6, dtype=int)
    for _ in range(17):
        falls = [p * p * (DISTORTION[b] - DISTORTION[b + 1]) if b < 8 else -1.0 for p, b in zip(power, bits, strict=True)]
        bits[int(np.argmax(falls))] += 1
    np.testing.assert_array_equal(share_out(power, 17), bits)
    np.testing.assert_array_equal(share_out(power, 1000), 8)


def test_parts_share_no_coordinate_and_have_equal_bits(vectors):
    code = fit(vectors, 24, parts=4)
    of = [{*np.flatnonzero(column).tolist()} for column in code.axes.T]
    blocks = [{n // 12 for n in rows} for rows in of]
    assert all(len(block) == 1 for block in blocks)
    totals = [int(code.bits[[block == {part} for block in blocks]].sum()) for part in range(4)]
    assert totals == [48] * 4


def test_a_sample_that_never_uses_a_coordinate_still_gives_a_code():
    code = fit(np.zeros((5, 8), dtype=np.float32), 4)
    assert code.encode(np.eye(8, dtype=np.float32)).shape == (8, 4)
    assert np.isfinite(code.reach).all()


@pytest.mark.parametrize(("text", "tokens"), [(3_670_245, 781_153)])
def test_every_layer_of_minilm_and_its_heads_fit_into_400_times_the_text(text, tokens):
    spaces = 7 + 6
    each = 380 * text // (tokens * spaces)
    shapes = 13 * (384 * 384 * 4 + 384 * 5) + 640_000 * (8 + 3)  # of codes, words and tags, at most
    assert each >= 130
    assert (tokens * spaces * each + shapes + text) / text < 400
