"""The numbers in the cards are measured here again, so that a card cannot lag behind its model."""

import re

import pytest

import pellucid as pl
from pellucid.inputs.photograph import photographs
from pellucid.models.cards import card
from pellucid.models.food11 import FoodCnn, mapping
from pellucid.models.load import catalog


def plain(name: str) -> str:
    """The card with every line break inside a paragraph a space."""
    return re.sub(r"(?<=[^|\n])\n(?=[^|\n])", " ", card(name))


def rows(text: str, columns: int) -> list[list[str]]:
    """The cells of every table with that many columns, without the headings."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [
        cells
        for cells in lines
        if len(cells) == columns and not set(cells[0]) <= {"-"} and cells[0] not in ("photograph", "category")
    ]


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, list]]:
    """Of every shipped photograph, the five likeliest classes of each shipped model."""
    paths = [row["path"] for row in photographs()]
    found = {}
    for name in ("imagenet", "food11"):
        model = pl.load(name)
        found[name] = dict(zip((row["file"] for row in photographs()), model.predict(model.read(paths)), strict=True))
    return found


def test_everything_in_the_catalog_has_a_card():
    for name in [*catalog()["models"], *catalog()["architectures"]]:
        assert card(name).startswith("# ")
    with pytest.raises(KeyError, match=r"no model or architecture named 'food12' .did you mean 'food11'"):
        card("food12")


def test_imagenet_on_the_shipped_photographs(answers):
    text = plain("imagenet")
    nameable = {row["file"]: row["imagenet_ok"].split("|") for row in photographs() if row["imagenet_ok"]}
    first = {file for file, right in nameable.items() if answers["imagenet"][file][0].label in right}
    five = {file for file, right in nameable.items() if any(p.label in right for p in answers["imagenet"][file])}
    assert len(first) >= 36
    counts = (
        f"Of {len(photographs())}, {len(nameable)} show something that ImageNet has a class for. Of these, {len(first)} are"
    )
    assert f"{counts} right at first place and {len(five)} among the first five." in text
    wrong = {cells[0]: cells for cells in rows(text, 4)}
    assert set(wrong) == set(nameable) - first
    for file, (_, shows, answer, probability) in wrong.items():
        assert shows in nameable[file]
        assert answer == answers["imagenet"][file][0].label
        assert float(probability) == pytest.approx(answers["imagenet"][file][0].probability, abs=0.006)


def test_food11_on_the_shipped_photographs(answers):
    text = plain("food11")
    food = {row["file"]: row["category"] for row in photographs() if row["category"] != "other"}
    table = {cells[0]: cells[1:] for cells in rows(text, 4)}
    assert {file: cells[0] for file, cells in table.items()} == food
    for file, (_, answer, probability) in table.items():
        assert answer == answers["food11"][file][0].label
        assert float(probability) == pytest.approx(answers["food11"][file][0].probability, abs=0.006)
    right = sum(answers["food11"][file][0].label == category for file, category in food.items())
    assert f"Of the {len(food)} that show food of a category, {right} are right" in text


def test_food11_on_what_is_no_food(answers):
    others = [row["file"] for row in photographs() if row["category"] == "other"]
    taken = sum(answers["food11"][file][0].label == "Vegetable/Fruit" for file in others)
    assert f"Of the {len(others)} shipped photographs of something else, it takes {taken} for Vegetable/Fruit" in plain(
        "food11"
    )


def test_food11_s_card_counts_its_classes():
    text = plain("food11")
    classes, floor = mapping()
    table = {cells[0]: cells for cells in rows(text, 3)}
    assert {name: int(cells[1]) for name, cells in table.items()} == {name: len(own) for name, own in classes.items()}
    for name in ("Bread", "Dessert", "Meat", "Noodles/Pasta", "Soup"):
        assert table[name][2] == ", ".join(classes[name].values())
    assert all("**no class at all**" in table[name][2] for name, own in classes.items() if not own)
    assert f"{sum(map(len, classes.values()))} of the 1,000 ImageNet classes" in text
    assert f"their logit is the constant {floor:g}" in text


def test_the_cards_count_the_weights(imagenet):
    millions = sum(p.numel() for p in FoodCnn().parameters()) / 1e6
    assert f"{millions:.1f} million weights" in plain("food11-cnn")
    millions = sum(p.numel() for p in imagenet.module.parameters()) / 1e6
    assert f"{millions:.2f} million weights" in plain("imagenet")
