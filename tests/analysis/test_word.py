"""Choosing a word in a sentence, in any script."""

import pytest

import pellucid as pl
from pellucid.analysis.word import check_chinese, choose, find, occurrences, word_at
from pellucid.models.text import TextWarning
from tests import chinese, encoders


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("an apple, a pineapple and an apple.", "apple", [(3, 8), (29, 34)]),  # not within pineapple
        ("Apples and Apple's apple", "apple", [(19, 24)]),  # as written comes first
        ("Apples and Apple's", "apple", [(11, 16)]),  # and then whatever the case
        ("apple2 apple_x 3apple", "apple", []),
        ("STRASSE", "straße", [(0, 7)]),  # folding may change the length
        ("die Straße", "STRASSE", [(4, 10)]),
        ("mass", "maß", [(0, 4)]),
        ("un café noir", "café", [(3, 7)]),
        ("un cafe\u0301 noir", "caf\u00e9", [(3, 8)]),  # composed and decomposed are one
        ("un caf\u00e9 noir", "cafe\u0301", [(3, 7)]),
        ("un cafe\u0301 noir", "cafe", []),  # an accent belongs to its letter
        ("un cafe\u0301 noir", "CAFE\u0301", [(3, 8)]),
        ("我買了蘋果,蘋果很甜", "蘋果", [(3, 5), (6, 8)]),
        ("蘋果公司", "蘋果", [(0, 2)]),  # without spaces it is wherever its characters are
        ("用apple手機", "apple", [(1, 6)]),
        ("哈哈哈", "哈哈", [(0, 2)]),  # occurrences do not overlap
        ("りんごを食べる", "りんご", [(0, 3)]),
        ("ฉันกินแอปเปิล", "แอปเปิล", [(6, 13)]),
        ("הוא אכל תפוח ירוק", "תפוח", [(8, 12)]),
        ("התפוח", "תפוח", []),  # Hebrew puts spaces between its words
        ("an 🍎 a day 🍎", "🍎", [(3, 4), (11, 12)]),
        ("a 👩🏽 b 👩", "👩", [(7, 8)]),  # a skin tone belongs to its emoji
        ("a 👩\u200d🔬 b", "🔬", []),  # nor is a part of a joined one a word
        ("a 👩\u200d🔬 b", "👩", []),
        ("New York, New  York", "New York", [(0, 8)]),
    ],
)
def test_a_word_is_found_where_it_stands(text: str, word: str, found: list[tuple[int, int]]) -> None:
    assert occurrences(text, word) == found


@pytest.mark.parametrize(
    ("text", "character", "word"),
    [
        ("an apple.", 5, "apple"),
        ("an apple.", 8, "."),
        ("un cafe\u0301 noir", 3, "cafe\u0301"),
        ("un cafe\u0301 noir", 7, "cafe\u0301"),
        ("蘋果很甜", 1, "果"),
        ("用apple手機", 3, "apple"),
        ("אכל תפוח", 5, "תפוח"),
        ("an 👩🏽!", 4, "👩🏽"),
        ("snake_case x", 2, "snake_case"),
    ],
)
def test_a_character_is_part_of_a_word(text: str, character: int, word: str) -> None:
    start, end = word_at(text, character)
    assert text[start:end] == word


def test_a_place_is_a_word_an_occurrence_a_character_or_a_span() -> None:
    text = "the bank by the bank"
    assert find(text, "bank") == (4, 8)
    assert find(text, ("bank", 2)) == (16, 20)
    assert find(text, 17) == (16, 20)
    assert find(text, (4, 11)) == (4, 11)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("apple", r"no word 'apple' in 'A Pineapple, and apples'; near it: 'Pineapple', 'apples'. A part of a word is chosen"),
        ("zzz", r"no word 'zzz' in .*; its words: 'A', 'Pineapple', 'and', 'apples'"),
        (("and", 2), r"no occurrence 2 of 'and' in .*: it has 1, counted from 1"),
        (("and", 0), "no occurrence 0 of 'and'"),
        (23, r"no character 23 in .*: it has 23, from 0 to 22"),
        (-1, "no character -1"),
        (1, "character 1 of .* is a space; give one of a word"),
        ((5, 5), r"characters 5 to 5 of .*: give 0 <= start < end <= 23, its length"),
        ((20, 24), "characters 20 to 24"),
        ((12, 13), "characters 12 to 13 of .* are spaces"),
        ("  ", "the word is empty"),
    ],
)
def test_a_place_that_is_not_there_is_an_error_that_helps(place: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find("A Pineapple, and apples", place)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("word", "other"), [("boat", "last"), ("banana", "an")])
def test_a_word_that_has_half_of_the_letters_is_not_near(word: str, other: str) -> None:
    with pytest.raises(ValueError, match=rf"no word '{word}' in .*; its words: '{other}', 'day'"):
        find(f"{other} day", word)


def test_the_tokens_over_a_word_are_all_its_pieces(tiny: pl.TextEncoder) -> None:
    tokens = tiny.read(["He reads, she rereads."])
    chosen = choose(tokens, 0, "rereads")
    assert chosen.word == "rereads"
    assert chosen.surfaces == ("re", "r", "e", "a", "d", "s")
    assert chosen.spans == ((14, 16), (16, 17), (17, 18), (18, 19), (19, 20), (20, 21))
    assert [tokens.surface(0, at) for at in chosen.tokens] == list(chosen.surfaces)
    assert chosen.marked == "He reads, she «rereads»."


@pytest.mark.parametrize("kind", encoders.KINDS)
def test_every_sort_of_tokenizer_knows_the_characters(kind: str) -> None:
    tokens = encoders.tiny(kind).read(["The bank of the river was steep; the BANK lent her no money."])
    first, second = choose(tokens, 0, ("bank", 1)), choose(tokens, 0, "BANK")
    assert ("".join(first.surfaces), first.start, first.occurrences) == ("bank", 4, 1)
    assert ("".join(second.surfaces), second.start) == ("BANK", 37)


def test_an_occurrence_is_counted(tiny: pl.TextEncoder) -> None:
    chosen = choose(tiny.read(["the bank by the bank"]), 0, 17)
    assert (chosen.occurrence, chosen.occurrences, chosen.word) == (2, 2, "bank")


def test_a_word_without_any_piece_is_refused_and_one_within_a_token_is_said_to_be(tiny: pl.TextEncoder) -> None:
    with pytest.warns(TextWarning, match="no piece"):
        tokens = tiny.read(["the 蘋 果 river"])
    with pytest.raises(ValueError, match=r"no piece for '蘋' of sentence 1 .* such as bert-base-chinese: the folder"):
        choose(tokens, 0, "蘋", tiny.tokenizer.unk_token_id)
    with pytest.warns(TextWarning, match=r"'iv' of sentence 1 .* ends inside a token: 'river' is more than the word"):
        assert choose(tokens, 0, (9, 11)).surfaces == ("river",)


def test_an_encoder_of_english_is_told_from_one_of_chinese(tiny: pl.TextEncoder) -> None:
    check_chinese(chinese.encoder(), ["樹上的蘋果已經紅了"])
    check_chinese(tiny, ["no Chinese in it"])
    with pytest.raises(
        ValueError, match=r"tiny bert has pieces for 0 of the 9 Chinese characters .* 'hf:google-bert/bert-base-c"
    ):
        check_chinese(tiny, ["樹上的蘋果已經紅了"])
    with pytest.raises(ValueError, match="has pieces for 0 of the 2"):  # bytes are no characters
        check_chinese(encoders.tiny("roberta"), ["蘋果"])
