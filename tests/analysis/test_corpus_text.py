"""Sentences, words and tokens: nothing rewritten, nothing lost, every tag at its token."""

import itertools

import pytest

from pellucid.analysis.corpus.build import build_corpus
from pellucid.analysis.corpus.rows import rows
from pellucid.analysis.corpus.sentences import LONGEST, divide, paragraphs, pipeline

TEXT = (
    "The well-known café isn't open.  Don't wait 😀 there, José!\n"
    "\tMarie Curie moved to Paris in 1891, didn't she?\n\n"
    "So.\nA new-born naïve reader's résumé (2 pages) won't do: they'll re-read it…\r\n"
    "The last sentence has no full stop"
)


@pytest.fixture(scope="module")
def built(minilm, tmp_path_factory):
    return build_corpus(minilm, [TEXT], tmp_path_factory.mktemp("corpus") / "made", layers=[2], heads=False)


def test_sentences_and_the_gaps_between_them_are_the_text():
    spans = divide(TEXT).sentences.tolist()
    assert spans == sorted(spans)
    edges = [0, *itertools.chain(*spans), len(TEXT)]
    parts = [TEXT[a:b] for a, b in itertools.pairwise(edges)]
    assert "".join(parts) == TEXT
    assert all(not gap.strip() for gap in parts[::2])
    assert spans[-1][1] == len(TEXT)  # the last sentence is there, though no full stop ends it


def test_the_text_is_stored_byte_by_byte(minilm, built, tmp_path):
    assert (built.folder / "text.txt").read_bytes() == TEXT.encode()
    file = tmp_path / "a.txt"
    file.write_bytes(TEXT.encode())
    again = build_corpus(minilm, file, tmp_path / "b", layers=[0], heads=False)
    assert (again.folder / "text.txt").read_bytes() == TEXT.encode()
    assert again.header["sources"] == ["a.txt"]


@pytest.mark.filterwarnings("ignore::pellucid.models.text.TextWarning")
def test_every_token_has_the_tags_of_the_word_over_its_first_character(built):
    """Slow replica: spaCy over the paragraph, every one of its words tried for every token."""
    words = [
        (start + w.idx, start + w.idx + len(w), w.pos_, w.dep_, w.ent_type_)
        for start, end in paragraphs(TEXT) for w in pipeline()(TEXT[start:end]) if not w.is_space
    ]  # fmt: skip
    checked = 0
    for row in range(len(built.rows)):
        tokens = built.encoder.read(built.sentence(row))
        for at in range(tokens.lengths[0]):
            if int(tokens.parts[0, at]) < 0:
                continue
            first = int(built.rows[row, 0]) + int(tokens.offsets[0, at, 0])
            over = [w for w in words if w[0] <= first < w[1]]
            assert len(over) == 1, tokens.surface(0, at)
            number = built.word_over(row, int(tokens.offsets[0, at, 0]))
            word = built.words_of(row)[number]
            assert (word.start + built.rows[row, 0], word.pos, word.dep, word.ent) == (over[0][0], *over[0][2:])
            checked += 1
    assert checked == built.tokens > 50


def test_short_sentences_are_left_out_and_counted(tiny, tmp_path):
    made = build_corpus(tiny, ["So\n\nWho wrote the letter?\n\n[SEP] [CLS] [PAD] [SEP]"], tmp_path / "c")
    assert [made.sentence(row) for row in range(len(made.rows))] == ["Who wrote the letter?"]
    assert made.counts["short"] >= 1
    assert made.counts["unreadable"] >= 1
    assert made.counts["sentences"] == 1 + made.counts["short"] + made.counts["unreadable"]


def test_a_sentence_longer_than_the_limit_is_divided_between_words(tiny):
    long = "Who wrote the long letter to the queen of France and " * 12 + "the river."
    words = divide(long)
    made = rows(tiny, long, words)
    assert made.counts["divided"] >= 1
    assert " ".join(long[a:b] for a, b in made.spans) == long
    assert all(tiny.read(long[a:b]).lengths[0] <= tiny.limit for a, b in made.spans)
    assert made.first_word[-1] == len(words.places)


def test_a_word_longer_than_the_limit_is_divided_too(tiny):
    tall = "the " + "q1" * 90 + " wrote it."
    made = rows(tiny, tall, divide(tall))
    assert "".join(tall[a:b] for a, b in made.spans).replace(" ", "") == tall.replace(" ", "")


def test_paragraphs_are_lines_or_of_a_wrapped_text_blocks():
    def parts(text):
        return [text[a:b] for a, b in paragraphs(text)]

    assert parts("One line\nof text.\n\nAnother\nblock.\n\n\n  third \n") == [
        "One line\nof text.",
        "Another\nblock.",
        "third \n",
    ]
    wide = "a " * 80
    assert parts(f"{wide}\n\nb\nc") == [wide, "b", "c"]
    assert parts("a\nb") == ["a", "b"]


def test_a_paragraph_too_long_for_spacy_is_divided_at_a_sentence_and_whole():
    text = "One word more. " * 4000
    spans = list(paragraphs(text))
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(b - a <= LONGEST for a, b in spans)
    assert all(text[:b].rstrip().endswith(".") for _, b in spans)
    assert [b - a for a, b in paragraphs("x" * 50_000)] == [20_000, 20_000, 10_000]


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_text_is_refused(tiny, tmp_path, text):
    with pytest.raises(ValueError, match="empty"):
        build_corpus(tiny, [text], tmp_path / "c")


def test_a_text_without_a_sentence_is_refused_and_leaves_nothing(tiny, tmp_path):
    with pytest.raises(ValueError, match="no sentence of the text can be read"):
        build_corpus(tiny, ["So"], tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_half_a_surrogate_pair_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"text 1 has '\\ud83d' at character 4, which is half of a surrogate pair"):
        build_corpus(tiny, ["The queen wrote.", "The \ud83d"], tmp_path / "c")


def test_a_file_that_is_not_utf8_says_where_and_what_would_do(tiny, tmp_path):
    (tmp_path / "a.txt").write_bytes("Das Café".encode("latin1"))
    with pytest.raises(ValueError, match=r"not UTF-8 \(byte 7\); convert it: iconv"):
        build_corpus(tiny, tmp_path / "a.txt", tmp_path / "c")
    with pytest.raises(FileNotFoundError):
        build_corpus(tiny, tmp_path / "none.txt", tmp_path / "c")
