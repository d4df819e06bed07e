"""Unit vectors in few bytes, whose inner products with a query are summed from tables and never decoded.

A fitted rotation (principal axes, about zero) gathers what the vectors have in common in few coordinates, and each coordinate
is kept in 0 to 8 bits. Bits go where they lessen the error of an inner product with a vector like the stored ones most: a
coordinate of mean square w that is kept with relative error D(bits) adds w * w * D(bits) to its square, so each bit goes to the
largest fall of that (reverse water-filling, Cover and Thomas, Elements of Information Theory, section 10.3.3, with the weight
w that a query puts on a coordinate). An inner product is then linear in the bits: it is a sum of one table entry a byte, which
is how faiss scans product quantisers (Jegou et al. 2011, doi:10.1109/TPAMI.2010.57); here every "centroid" is a byte's bits.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float32, Int64, UInt8

DISTORTION = np.array([1.0, 0.3634, 0.1188, 0.0374, 0.0115, 0.0035, 0.00104, 0.0003, 0.0001])
"""Mean square error of a uniform quantiser of 0 to 8 bits over a unit Gaussian (Max 1960, doi:10.1109/TIT.1960.1057548)."""
REACH = np.array([0.0, 0.7979, 1.4935, 2.051, 2.5136, 2.9246, 3.2798, 3.6, 4.3])
"""Its largest level, in standard deviations."""


@final
@dataclass(frozen=True, eq=False)
class Code:
    """How the vectors of one space are kept. `fit` makes one; its arrays are all of it."""

    axes: Float32[np.ndarray, "width coordinate"]
    """The rotation's columns, in the order in which coordinates are kept; those without a bit are left out."""
    bits: UInt8[np.ndarray, " coordinate"]
    """Of each coordinate, 1 to 8."""
    reach: Float32[np.ndarray, " coordinate"]
    """The largest magnitude that a coordinate's levels stand for; beyond it a value is clipped."""

    @property
    def bytes(self) -> int:
        """Of one vector."""
        return -(-int(self.bits.sum()) // 8)

    def encode(self, vectors: Float32[np.ndarray, "vector width"]) -> UInt8[np.ndarray, "vector byte"]:
        top = np.float32(2.0) ** self.bits - 1
        levels = np.clip(np.rint((vectors @ self.axes / self.reach + 1) / 2 * top), 0, top).astype(np.uint8)
        columns = np.repeat(np.arange(len(self.bits)), self.bits)
        return np.packbits((levels[:, columns] >> self._shifts().astype(np.uint8)) & 1, axis=1)

    def _shifts(self) -> Int64[np.ndarray, " bit"]:
        return np.concatenate([np.arange(b)[::-1] for b in self.bits]).astype(np.int64)

    def weights(self, query: Float32[np.ndarray, " width"]) -> tuple[Float32[np.ndarray, " bit"], float]:
        """What each bit of a code adds to the inner product with the query, and the constant part of it."""
        along = query @ self.axes
        step = along * self.reach * 2 / (np.float32(2.0) ** self.bits - 1)
        weights = np.zeros(8 * self.bytes, dtype=np.float32)
        weights[: int(self.bits.sum())] = np.repeat(step, self.bits) * np.float32(2.0) ** self._shifts()
        return weights, -float(along @ self.reach)


def fit(sample: Float32[np.ndarray, "vector width"], size: int, parts: int = 1) -> Code:
    """The code of `size` bytes that serves vectors like these best; of fewer, where 8 bits a coordinate are fewer.

    With `parts`, the vectors are so many parts side by side (heads) and no coordinate mixes them, so that a query may leave
    parts out; each part has equally many bits.
    """
    width = sample.shape[1] // parts
    axes = np.zeros((width * parts, width * parts))
    power, bits = np.zeros(width * parts), np.zeros(width * parts, dtype=np.int64)
    for part in range(parts):
        block = slice(part * width, (part + 1) * width)
        values = sample[:, block].astype(np.float64)
        squares, vectors = np.linalg.eigh(values.T @ values / max(1, len(values)))
        # subtle: an axis may point either way; which one must not hang on the library that found it
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(width)])
        axes[block, block], power[block] = vectors[:, ::-1], np.maximum(squares[::-1], 0)
        bits[block] = share_out(power[block], size * 8 // parts)
    kept = bits > 0
    reach = np.sqrt(power[kept]) * REACH[bits[kept]]
    least = max(1e-6 * float(reach.max(initial=0.0)), 1e-12)  # a coordinate that is zero in the sample still has a scale
    return Code(
        np.ascontiguousarray(axes[:, kept], dtype=np.float32), bits[kept].astype(np.uint8),
        np.maximum(reach, least).astype(np.float32),
    )  # fmt: skip


def share_out(power: np.ndarray, total: int) -> Int64[np.ndarray, " coordinate"]:
    """So many bits, at most 8 a coordinate, each to where the error falls most. Ties go to the first."""
    falls = -np.diff(DISTORTION)  # the n-th bit's gain falls with n, so the largest gains of all are the best to take
    gains = (power**2)[:, None] * falls[None]
    chosen = np.argsort(-gains, axis=None, kind="stable")[:total]
    return np.bincount(chosen // len(falls), minlength=len(power)).astype(np.int64)


def scanner(codes: UInt8[np.ndarray, "vector byte"]) -> Any:
    """A faiss index over the codes, which are copied into memory. Its search takes the weights of `Code.weights`."""
    import faiss

    size = codes.shape[1]
    index = faiss.IndexPQ(8 * size, size, 8, faiss.METRIC_INNER_PRODUCT)
    binary = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)
    faiss.copy_array_to_vector(np.tile(binary.ravel(), size), index.pq.centroids)
    index.is_trained = True
    for start in range(0, len(codes), 1 << 16):
        index.add_sa_codes(np.ascontiguousarray(codes[start : start + (1 << 16)]))
    return index


def nearest(
    index: Any, code: Code, query: Float32[np.ndarray, " width"], count: int
) -> tuple[Int64[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
    """The vectors with the largest inner products as far as their bytes know them, best first, and those products."""
    weights, constant = code.weights(query)
    products, found = index.search(weights[None], min(count, index.ntotal))
    return found[0], products[0] + np.float32(constant)
