"""Makes docs/sheet.png, the picture of the README: five photographs by the approaches and the controls. Takes a minute."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

import pellucid as pl
from pellucid.pictures.images import columns, map_rows
from pellucid.render.figures import save
from pellucid.render.rows import photograph_row
from pellucid.render.sheets import sheet
from pellucid.report import approaches

CHOSEN = (0, 2, 3, 5, 9)


def main() -> None:
    model = pl.load("imagenet")
    images = model.read([f"observation:{n}" for n in CHOSEN])
    rows = [photograph_row(images.pixels)]
    for approach in approaches()["approach"]:
        a = pl.explain(model, images, method=approach["method"], **approach["options"])
        row = map_rows(replace(a, view=approach.get("view", {})), images, approach["title"])[-1]
        rows.append(replace(row, note=""))
    path = save(sheet(columns(model, images), rows), Path(__file__).parent / "sheet.png")
    with Image.open(path) as picture:  # a README is read on a screen: half the pixels, and colours enough
        small = picture.convert("RGB").resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    small.quantize(200, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print("wrote docs/sheet.png")


if __name__ == "__main__":
    main()
