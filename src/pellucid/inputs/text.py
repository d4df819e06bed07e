"""What an encoder reads, together with the text to show a person: every token knows the characters it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

Role = Literal["special", "question", "context", "answer", "text"]


@final
@dataclass(frozen=True, eq=False)
class Tokens:
    """A batch of texts, or of pairs of a question and its context, as wordpieces.

    Rows are filled up on the right to the longest; `mask` is False there. A token of a text has the place of its characters in
    that text, whatever the tokenizer made of them (lower case, accents removed, bytes), so nothing shown is ever rewritten.
    """

    ids: Int64[Tensor, "batch token"]
    mask: Bool[Tensor, "batch token"]
    """True for a token, False where a row is filled up."""
    segments: Int64[Tensor, "batch token"]
    """The token type that the network reads: 0, or 1 for the second text of a pair where the model tells them apart."""
    texts: tuple[tuple[str, ...], ...]
    """Of each row, the one text or the two."""
    offsets: Int64[Tensor, "batch token 2"]
    """First character and the one behind the last, in the text that the token is part of; 0, 0 for specials."""
    parts: Int64[Tensor, "batch token"]
    """Which of its row's texts a token is part of; -1 for specials and filling."""
    words: Int64[Tensor, "batch token"]
    """The word a token is part of, as the tokenizer divides them, counted over both texts; -1 for specials and filling."""
    pieces: tuple[tuple[str, ...], ...]
    """The wordpieces as the vocabulary spells them, without filling."""
    answers: tuple[tuple[int, int] | None, ...] = ()
    """First and last token of each row's answer, once it is known."""
    masked: Bool[Tensor, "batch token"] | None = None
    """Tokens that the network is not shown, and which it may be asked to predict."""
    names: tuple[str, ...] = field(default=())
    items: tuple[int, ...] = ()
    """Which of the texts that were read each row is of: several rows of one where it was too long and was cut into windows."""

    def __post_init__(self) -> None:
        rows = len(self.ids)
        if not self.answers:
            object.__setattr__(self, "answers", (None,) * rows)
        if not self.names:
            object.__setattr__(self, "names", tuple(" / ".join(t) for t in self.texts))
        if not self.items:
            object.__setattr__(self, "items", tuple(range(rows)))
        if self.masked is None:
            object.__setattr__(self, "masked", torch.zeros_like(self.mask))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int | slice) -> "Tokens":
        """One row, or some, without the filling that they no longer need."""
        if isinstance(row, int):
            if not -len(self) <= row < len(self):
                raise IndexError(f"no text {row} in a batch of {len(self)}")
            row = slice(row, row + 1 or None)
        longest = max((len(p) for p in self.pieces[row]), default=0)
        tensors = {
            name: getattr(self, name)[row, :longest]
            for name in ("ids", "mask", "segments", "offsets", "parts", "words", "masked")
        }
        rest = {name: getattr(self, name)[row] for name in ("texts", "pieces", "answers", "names", "items")}
        return replace(self, **tensors, **rest)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each row, without filling."""
        return tuple(len(row) for row in self.pieces)

    @property
    def special(self) -> Bool[Tensor, "batch token"]:
        """[CLS], [SEP] and their like; not the filling, and not a mask in the place of a word."""
        return self.mask & (self.parts < 0)

    @property
    def roles(self) -> tuple[tuple[Role, ...], ...]:
        """Of every token: special, question, context, or answer once it is known; text where there is no question."""
        return tuple(tuple(self._role(row, at) for at in range(length)) for row, length in enumerate(self.lengths))

    def _role(self, row: int, at: int) -> Role:
        part, answer = int(self.parts[row, at]), self.answers[row]
        if part < 0:
            return "special"
        if answer is not None and answer[0] <= at <= answer[1]:
            return "answer"
        if len(self.texts[row]) == 1:
            return "text"
        return "question" if part == 0 else "context"

    def surface(self, row: int, at: int) -> str:
        """The characters that a token stands for, as they stand in the text; the vocabulary's spelling for a special."""
        part = int(self.parts[row, at])
        if part < 0:
            return self.pieces[row][at]
        start, end = self.offsets[row, at].tolist()
        return self.texts[row][part][start:end] or self.pieces[row][at]

    def surfaces(self, row: int) -> tuple[str, ...]:
        return tuple(self.surface(row, at) for at in range(self.lengths[row]))

    def at_character(self, row: int, character: int, part: int = 0) -> int:
        """The token over a character of one of the row's texts. ValueError where there is none."""
        inside = (self.parts[row] == part) & (self.offsets[row, :, 0] <= character) & (character < self.offsets[row, :, 1])
        found = inside.nonzero()
        if not len(found):
            text = self.texts[row][part] if part < len(self.texts[row]) else ""
            raise ValueError(f"no token stands over character {character} of {text!r} ({len(text)} characters, from 0)")
        return int(found[0])

    def span(self, row: int, start: int, end: int, part: int = 0) -> list[int]:
        """The tokens over the characters from `start` to before `end`. ValueError where there are none."""
        inside = (self.parts[row] == part) & (self.offsets[row, :, 0] < end) & (start < self.offsets[row, :, 1])
        found = inside.nonzero()[:, 0].tolist()
        if not found:
            text = self.texts[row][part] if part < len(self.texts[row]) else ""
            raise ValueError(f"no token stands over characters {start} to {end} of {text!r} ({len(text)} characters)")
        return found

    def word(self, row: int, at: int) -> list[int]:
        """The tokens of the word that the token is part of; of a special, itself."""
        number = int(self.words[row, at])
        return [at] if number < 0 else (self.words[row] == number).nonzero()[:, 0].tolist()

    def hidden(self, row: int, positions: Sequence[int], mask_id: int) -> "Tokens":
        """The same texts with these tokens of a row shown to the network as its mask token; all else keeps its place.

        IndexError for a place that the row does not have, ValueError for a special token.
        """
        for at in positions:
            if not 0 <= at < self.lengths[row]:
                raise IndexError(f"no token {at}; the text has {self.lengths[row]}, from 0")
            if int(self.parts[row, at]) < 0:
                raise ValueError(f"token {at} is {self.pieces[row][at]}, a special token; masking it would ask for nothing")
        ids, masked = self.ids.clone(), self._masked.clone()
        ids[row, list(positions)], masked[row, list(positions)] = mask_id, True
        return replace(self, ids=ids, masked=masked)

    def answered(self, spans: Sequence[tuple[int, int] | None]) -> "Tokens":
        """The same with the answer of each row: its first and last token, or None."""
        if len(spans) != len(self):
            raise ValueError(f"{len(spans)} answers for {len(self)} texts")
        return replace(self, answers=tuple(spans))

    @property
    def _masked(self) -> Bool[Tensor, "batch token"]:
        assert self.masked is not None
        return self.masked
