"""Three small images, maps of them, and a sheet of both."""

import numpy as np

from pellucid.render.rows import Column, Row, heatmap_row, overlay_row, photograph_row

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
MAPS = GENERATOR.normal(size=(3, 16, 16)) * np.array([1, 2, 3])[:, None, None]
COLUMNS = (
    Column("cup.jpg", "espresso", 0.95),
    Column("seafood_spiny_lobster_in_a_tank.jpg", "spiny lobster", 0.4),
    Column("c", "a class with a name that is far too long for its column", 0.1),
)


def rows() -> tuple[Row, ...]:
    return (
        photograph_row(PIXELS),
        heatmap_row(
            "Saliency", MAPS, "logit per input unit", captions=["error 0.1", "error 0.2", "error 0.3"], note="64 samples"
        ),
        overlay_row("Over the photograph", MAPS, PIXELS, "logit per input unit", shared=True),
    )
