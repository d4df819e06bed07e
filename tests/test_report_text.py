"""The report's text half, made whole once: every section stands there with its pictures, described, in light and dark."""

import pytest

from pellucid.render.page import Picture, Report, Section, Table, page
from pellucid.report_text import COSTS, text_sections, texts


@pytest.fixture(scope="module")
def made() -> tuple[list[Section], dict[str, list[float]]]:
    told: dict[str, list[float]] = {}

    def part(name: str, title: str):
        told[name] = []
        return told[name].append

    return text_sections(part), told


def test_every_section_has_its_pictures_and_tables(made: tuple[list[Section], dict[str, list[float]]]) -> None:
    kinds = {s.id: [type(b) for b in s.blocks] for s in made[0]}
    assert kinds == {
        "attention": [Picture] * 4,
        "masked-words": [Table],
        "answers": [Table],
        "tokens": [Picture],
        "layers": [Picture] * 6,
        "words": [Picture] * 4,
        "corpus": [Table, Picture],
    }
    for section in made[0]:
        assert section.what
        assert section.reading
        for block in section.blocks:
            if isinstance(block, Picture):
                assert block.dark is not None
                assert block.dark != block.data


def test_it_goes_on_the_page(made: tuple[list[Section], dict[str, list[float]]]) -> None:
    html = page(Report("Text", ("",), tuple(made[0])))
    for said in ("She [MASK] a long letter to her sister.", "The young keeper", "the passage does not say", "van Aken"):
        assert said in html


def test_progress_of_every_part_ends_at_one(made: tuple[list[Section], dict[str, list[float]]]) -> None:
    assert made[1].keys() == COSTS.keys() == {about["id"] for about in texts().values()}
    for shares in made[1].values():
        assert shares == sorted(shares)
        assert shares[-1] == 1
