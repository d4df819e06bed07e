"""What the front end's own tests hold it to is what the library gives today.

`python -m tests.browser.test_agreement` writes frontend/tests/library.json anew.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from pellucid.render.colormaps import Scale, levels, limits, palette
from pellucid.render.heatmaps import heatmap, overlay
from pellucid.render.numbers import number, percent
from pellucid.render.rows import QUANTILE

FRONT = Path(__file__).parents[2] / "frontend"
KEPT = FRONT / "tests/library.json"


def library() -> dict[str, Any]:
    """Numbers and a small map as the library writes and draws them."""
    random = np.random.default_rng(3)
    values = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-4, 9.9e-5, 1e-5, 123456.0, 1e16, 1e15, -2.5e-7, 0.0312, 0.000999, 0.0009996]
    values += [9999.5, 10000.0, 12.55]
    values += [float(np.float32(v)) for v in random.standard_normal(30) * 10.0 ** random.integers(-8, 18, 30)]
    shares = [0, 1, 0.0005, 0.001, 0.004, 0.0994, 0.0995, 0.5, 0.949, 0.994, 0.995, 0.9985, 0.9991]
    scores = (random.standard_normal((6, 7)) ** 3).astype(np.float32)
    scores[0, 0] = 0
    photo = random.integers(0, 256, (6, 7, 3)).astype(np.uint8)
    scales = {}
    for scale in get_args(Scale):
        for quantile in (QUANTILE, 0.9):
            within = limits(scores, scale, quantile)
            scales[f"{scale} {quantile}"] = {
                "low": within.low,
                "high": within.high,
                "beyond": within.beyond,
                "levels": levels(scores, within).ravel().tolist(),
                "map": sent(heatmap(scores, within)),
                "overlay": sent(overlay(scores, photo, within)),
            }
    return {
        "printed": [[value, repr(value)] for value in values],
        "number": [[value, digits, number(value, digits)] for value in values for digits in (2, 3)],
        "percent": [[share, percent(share)] for share in shares],
        "map": sent(scores.astype("<f4")),
        "photo": sent(photo),
        "rows": 6,
        "columns": 7,
        "scales": scales,
    }


def sent(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def test_the_front_end_is_tested_against_what_the_library_gives():
    assert json.loads(KEPT.read_text()) == library()


@pytest.mark.parametrize("scale", ["symmetric", "magnitude"])
def test_the_front_end_has_the_librarys_colours(scale: Scale):
    written = (FRONT / "src/lib/palettes.ts").read_text()
    found = re.search(rf"{scale}:\s*((?:\"[^\"]*\"[\s+]*)+),", written)
    assert found
    assert "".join(re.findall(r'"([^"]*)"', found[1])) == sent(palette(scale))


if __name__ == "__main__":
    KEPT.write_text(json.dumps(library()))
