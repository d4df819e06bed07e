"""Choosing a word in a sentence: by its letters, its occurrence or its characters, in any script; and the tokens over it."""

import difflib
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, final

from pellucid.inputs.text import Tokens
from pellucid.models.text import TextEncoder, TextWarning

Place = str | int | tuple[int, int] | tuple[str, int]
"""A word (its first occurrence), a character's position from 0 (the word there), the first character and the one behind the
last, or a word and which of its occurrences, from 1."""

_JOINERS = "\u200c\u200d"
# Scripts that put no space between words: a word there is wherever its characters are. Hangul and Hebrew do put spaces.
_SPACELESS = (
    (0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x312F), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF),
)  # fmt: skip
_CHINESE = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


@final
@dataclass(frozen=True)
class Chosen:
    """A word in its sentence: the characters that were asked for, and the tokens that stand over them."""

    sentence: str
    start: int
    end: int
    """First character and the one behind the last."""
    tokens: tuple[int, ...]
    surfaces: tuple[str, ...]
    """The characters that each of the tokens stands for, as the sentence has them."""
    spans: tuple[tuple[int, int], ...]
    occurrence: int
    """Which occurrence of these letters it is, from 1."""
    occurrences: int

    @property
    def word(self) -> str:
        return self.sentence[self.start : self.end]

    @property
    def marked(self) -> str:
        """The sentence with the word in guillemets."""
        return f"{self.sentence[: self.start]}«{self.word}»{self.sentence[self.end :]}"


def choose(tokens: Tokens, row: int, place: Place, unknown: int | None = None) -> Chosen:
    """The word at that place of a row's first text, with its tokens.

    Warns when a token reaches beyond the word. ValueError for a place that is not there, and for a word all of whose tokens
    are `unknown`, the vocabulary's id for what it has no piece for: their vectors would be those of any other unknown word.
    """
    sentence = tokens.texts[row][0]
    which = f"sentence {row + 1} ({_short(sentence)})"
    start, end = find(sentence, place, which)
    found = tokens.span(row, start, end)
    chosen = Chosen(
        sentence, start, end, tuple(found), tuple(tokens.surface(row, at) for at in found),
        tuple((int(tokens.offsets[row, at, 0]), int(tokens.offsets[row, at, 1])) for at in found),
        *_count(sentence, start, end),
    )  # fmt: skip
    if unknown is not None and all(int(tokens.ids[row, at]) == unknown for at in found):
        raise ValueError(
            f"the vocabulary has no piece for {chosen.word!r} of {which}: it is read like any other unknown word, so its "
            f"vectors say nothing of it; {_cure(chosen.word)}"
        )
    wide = [s for s, span in zip(chosen.surfaces, chosen.spans, strict=True) if span[0] < start or span[1] > end]
    if wide:
        warnings.warn(
            f"{chosen.word!r} of {which} ends inside a token: {', '.join(map(repr, wide))} is more than the word and is taken "
            "whole",
            TextWarning,
            stacklevel=2,
        )
    return chosen


def find(text: str, place: Place, which: str | None = None) -> tuple[int, int]:
    """First character of the word at that place and the one behind its last. ValueError where there is none.

    See `occurrences` for what counts as one, and `word_at` for the word over a character. `which` names the text in messages.
    """
    which = which or _short(text)
    if isinstance(place, int):
        return word_at(text, place, which)
    word, second = (place, 1) if isinstance(place, str) else place
    if isinstance(word, int):
        start, end = word, second
        if not 0 <= start < end <= len(text):
            raise ValueError(f"characters {start} to {end} of {which}: give 0 <= start < end <= {len(text)}, its length")
        if not text[start:end].strip():
            raise ValueError(f"characters {start} to {end} of {which} are spaces; no token stands over them")
        return start, end
    occurrence = second
    if not word.strip():
        raise ValueError("the word is empty; there is nothing to look for")
    found = occurrences(text, word)
    if not found:
        raise ValueError(f"no word {word!r} in {which}{_hint(text, word)}")
    if not 1 <= occurrence <= len(found):
        raise ValueError(f"no occurrence {occurrence} of {word!r} in {which}: it has {len(found)}, counted from 1")
    return found[occurrence - 1]


def occurrences(text: str, word: str) -> list[tuple[int, int]]:
    """Where the word stands, in characters: as it is written or, where it nowhere is, whatever its case and composition.

    The second is Unicode's canonical caseless match (chapter 3.13, D145): "APPLE" is "apple" and "é" is "e" with an accent, but
    "e" is not "é". In scripts with spaces a word has to be whole, so that "apple" is not in "pineapple"; in those without, such
    as Chinese, Japanese and Thai, it is wherever its characters are. Occurrences do not overlap.
    """
    return list(_matches(text, word, folded=False)) or list(_matches(text, word, folded=True))


def word_at(text: str, character: int, which: str | None = None) -> tuple[int, int]:
    """The word over a character, counted from 0: letters and digits on both sides of it up to a space or a sign.

    In a script without spaces, and of a sign or an emoji, it is the character alone, with its accents; give a span for more.
    """
    which = which or _short(text)
    if not 0 <= character < len(text):
        raise ValueError(f"no character {character} in {which}: it has {len(text)}, from 0 to {len(text) - 1}")
    if text[character].isspace():
        raise ValueError(f"character {character} of {which} is a space; give one of a word")
    start, end = next((s, e) for s, e in _clusters(text) if s <= character < e)
    if _spaced(text[start]):
        while start and _spaced(text[start - 1]):
            start -= 1
        while end < len(text) and _spaced(text[end]):
            end += 1
    return start, end


def is_place(given: object) -> TypeGuard[Place]:
    """Whether this is one place, for all sentences, rather than one a sentence: a tuple of two that ends in a number is."""
    return isinstance(given, str | int) or (
        isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str | int) and isinstance(given[1], int)
    )


def check_chinese(enc: TextEncoder, sentences: Sequence[str], least: float = 0.9) -> None:
    """ValueError unless the encoder has a piece of its own for nearly every Chinese character of the sentences.

    An English vocabulary has few: the rest become one and the same unknown token, or, of a vocabulary of bytes, several.
    """
    characters = sorted({c for s in sentences for c in s if _within(c, _CHINESE)})
    tokenizer: Any = enc.tokenizer
    known = [c for c in characters if _has_piece(tokenizer, c)]
    if len(known) < least * len(characters):
        raise ValueError(
            f"{enc.called} has pieces for {len(known)} of the {len(characters)} Chinese characters of these sentences and does "
            f"not know the rest, so its vectors say nothing of them; {_cure(''.join(characters))}"
        )


def _has_piece(tokenizer: Any, character: str) -> bool:
    ids = tokenizer(character, add_special_tokens=False)["input_ids"]
    ids = [i for i in ids if tokenizer.convert_ids_to_tokens(i) != "▁"]  # SentencePiece's mark of a word's beginning
    return len(ids) == 1 and ids[0] != tokenizer.unk_token_id


def _cure(word: str) -> str:
    if any(_within(c, _CHINESE) for c in word):
        return (
            "a Chinese checkpoint is needed, such as bert-base-chinese: the folder it was saved in, or "
            "'hf:google-bert/bert-base-chinese'"
        )
    return "load an encoder that was trained on this script, from a folder or as 'hf:ORG/NAME'"


def _matches(text: str, word: str, *, folded: bool) -> Iterator[tuple[int, int]]:
    """Occurrences that begin and end between letters, not between a letter and its accent."""
    fold = _fold if folded else str
    wanted = "".join(fold(word[s:e]) for s, e in _clusters(word))
    clusters = list(_clusters(text))
    units = [fold(text[s:e]) for s, e in clusters]
    begins = [0]
    for unit in units:
        begins.append(begins[-1] + len(unit))
    number = {begin: n for n, begin in enumerate(begins)}
    joined, at = "".join(units), 0
    while (at := joined.find(wanted, at)) >= 0:
        first, behind = number.get(at), number.get(at + len(wanted))
        if first is not None and behind is not None:
            start, end = clusters[first][0], clusters[behind - 1][1]
            if not (_joins(text, start) or _joins(text, end)):
                yield start, end
                at += len(wanted)
                continue
        at += 1


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Characters with the accents, joiners and skin tones that belong to them."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not (_extends(text[at]) or text[at - 1] == "\u200d"):
            yield start, at
            start = at


def _extends(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character == "\u200d" or "\U0001f3fb" <= character <= "\U0001f3ff"


def _fold(cluster: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", cluster).casefold())


def _joins(text: str, at: int) -> bool:
    """Whether a word of a script with spaces goes on over this place between two characters."""
    return 0 < at < len(text) and _spaced(text[at - 1]) and _spaced(text[at])


def _spaced(character: str) -> bool:
    """A letter, digit or accent of a script that puts spaces between its words."""
    letter = character.isalnum() or character == "_" or character in _JOINERS or unicodedata.category(character)[0] == "M"
    return letter and not _within(character, _SPACELESS) and not "\ufe00" <= character <= "\ufe0f"


def _within(character: str, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(low <= ord(character) <= high for low, high in ranges)


def _count(text: str, start: int, end: int) -> tuple[int, int]:
    found = occurrences(text, text[start:end])
    return (found.index((start, end)) + 1, len(found)) if (start, end) in found else (1, 1)


def _hint(text: str, word: str) -> str:
    """The words of a text nearest to one that it lacks, and those that hold it."""
    words: dict[str, None] = {}
    at = 0
    while at < len(text):
        if _spaced(text[at]):
            start, end = word_at(text, at)
            words[text[start:end]] = None
            at = end
        else:
            at += 1
    inside = [w for w in words if word.casefold() in w.casefold()]
    near = difflib.get_close_matches(word.casefold(), [w.casefold() for w in words], n=3, cutoff=0.6)
    shown = list(dict.fromkeys([*inside, *(w for n in near for w in words if w.casefold() == n)]))[:4]
    if shown:
        return f"; near it: {', '.join(map(repr, shown))}. A part of a word is chosen by its characters, (start, end)"
    return f"; its words: {', '.join(map(repr, list(words)[:8]))}{', …' * (len(words) > 8)}" if words else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
