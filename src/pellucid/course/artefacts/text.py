"""What an encoder does with a text, as the lab's Attention, Layers and Words rooms show it.

Nothing here is drawn at random. The runs change what should not matter: the precision, the number of threads, what is read
beside the text; and, where a claim is meant for more than one text, the text itself.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import Field

from pellucid.analysis.anisotropy import Correction, sample
from pellucid.analysis.head_effect import head_effect
from pellucid.analysis.head_statistics import head_statistics
from pellucid.analysis.passages import example, find_answer, passage
from pellucid.analysis.projection import project
from pellucid.analysis.readings import groups_of, measured
from pellucid.analysis.similarity import compare
from pellucid.analysis.word import find
from pellucid.course.artefacts import Axis, Entry, Value, artefact
from pellucid.inputs.text import Tokens
from pellucid.models.text import TextEncoder

if TYPE_CHECKING:
    from pellucid.course.workshop import Workshop

HABITS = {"special": "to_special", "previous": "to_previous", "next": "to_next", "same": "to_same", "entropy": "entropy"}
"""Of each statistic, by the lab's name of it, the library's."""
ARITHMETIC = (
    Axis("precision float64", {"precision": "float64"}),
    Axis("threads 1", {"threads": 1}),
    Axis("threads 3", {"threads": 3}),
)
BESIDE = Axis("beside a longer text", {"beside": 1})
NEIGHBOUR = (
    "While the orchestra tuned its instruments behind the heavy curtain, the conductor walked slowly through the empty hall, "
    "counted the seats in the first rows, and wondered whether anybody would come to hear so quiet a piece on so loud a day."
)
"""A text to be read beside another one, which is then filled up to its length."""


class TextEntry(Entry):
    """A text, or a pair of texts, for the encoder that `model` names."""

    text: str
    context: str = ""
    """The second text, if there is one."""
    hidden: tuple[str, ...] = ()
    """Words of the first text that are masked: each one's first occurrence."""
    also: tuple[str, ...] = ()
    """Other first texts of which the same is claimed."""


class GuessEntry(Entry):
    """A sentence with a masked word, and the word that is guessed there."""

    text: str
    hidden: str
    guess: str
    """One wordpiece: the guess whose probability is followed."""


class LayersEntry(Entry):
    """A question and a passage with its answer, or the id of a worked example that ships."""

    example: str = ""
    question: str = ""
    passage: str = ""
    answer: str
    """As the lab marks it: what the question-answering model answers, letter for letter."""
    more: str = ""
    """A sentence that may be added to the passage without changing what is claimed."""


class WordEntry(Entry):
    """One word in several sentences."""

    word: str
    sentences: tuple[str, ...] = Field(min_length=2)
    senses: tuple[str, ...] = ()
    """One a sentence, where senses are told apart."""
    corrections: tuple[Correction, ...] = ("none",)
    about: Literal["pairs", "senses", "random words"] = "pairs"
    """What is claimed: of pairs of sentences; of senses, whatever sentence is left out; or of random words, in either half of
    the sixty sentences that they are from."""


def other_texts(entry: TextEntry) -> list[Axis]:
    return [Axis(f"text {n}", {"text": n}) for n in range(2, len(entry.also) + 2)]


def word_axes(entry: WordEntry) -> list[Axis]:
    """The axes of a word's comparison."""
    varied = {
        "senses": [Axis(f"without sentence {n}", {"without": n}) for n in range(1, len(entry.sentences) + 1)],
        "random words": [Axis(f"random words, half {n}", {"half": n}) for n in (1, 2)],
        "pairs": [],
    }
    return [*ARITHMETIC, BESIDE, Axis("without full stops", {"stops": 0}), *varied[entry.about]]


@contextmanager
def encoder(entry: Entry, axis: Axis, workshop: "Workshop") -> Iterator[TextEncoder]:
    """The entry's encoder in the precision of the run, which has its number of threads inside the `with`."""
    chosen = workshop.model(entry.model)
    if not isinstance(chosen, TextEncoder):
        raise ValueError(f"the model {entry.model!r} is a {type(chosen).__name__}; {entry.kind} needs a text encoder")
    if axis.get("precision") == "float64":
        chosen = replace(chosen, module=copy.deepcopy(chosen.module).double())
    threads = torch.get_num_threads()
    torch.set_num_threads(int(axis.get("threads", threads)))
    try:
        yield chosen
    finally:
        torch.set_num_threads(threads)


def read(enc: TextEncoder, text: str, context: str, hidden: Sequence[str], axis: Axis) -> Tokens:
    """The text, alone or in the first row beside a longer one, with these words masked."""
    longer = " ".join([NEIGHBOUR] * (1 + len(text + context) // len(NEIGHBOUR)))
    count = 2 if axis.get("beside") else 1
    tokens = enc.read([(text, context), (NEIGHBOUR, longer)][:count]) if context else enc.read([text, longer][:count])
    places = [at for word in hidden for at in tokens.span(0, *find(text, word))]
    return enc.hide(tokens, places) if places else tokens


@artefact("heads", entry=TextEntry, axes=lambda entry: [*ARITHMETIC, BESIDE, *other_texts(entry)], kept=False)
def heads(entry: TextEntry, axis: Axis, workshop: "Workshop") -> Value:
    """Of every head, the statistics of the lab's `Kinds of heads`: arrays, layer head, by the names of `HABITS`.

    Shares of attention are 0 to 1, entropy is in bits; layer n is at index n - 1.
    """
    text = [entry.text, *entry.also][axis.get("text", 1) - 1]
    with encoder(entry, axis, workshop) as enc:
        found = head_statistics(enc.activations(read(enc, text, entry.context, entry.hidden, axis)).row(0))
    return {name: getattr(found, attribute).numpy() for name, attribute in HABITS.items()}


@artefact("head-effects", entry=TextEntry, axes=lambda entry: [*ARITHMETIC, Axis("five heads at once", {"at_once": 5})])
def head_effects(entry: TextEntry, axis: Axis, workshop: "Workshop") -> Value:
    """What the lab's `Effect of heads` shows: `effect` in bits and `attention`, a share, arrays of layer head.

    With them the `probability` of each choice, at the masked words or the answer's start and end.
    """
    with encoder(entry, axis, workshop) as enc:
        found = head_effect(enc, read(enc, entry.text, entry.context, entry.hidden, axis), at_once=axis.get("at_once"))
    return {
        "effect": found.effect.numpy(), "attention": found.attention.numpy(), "probability": found.probability.numpy(),
    }  # fmt: skip


@artefact("guesses", entry=GuessEntry, axes=lambda entry: [*ARITHMETIC, BESIDE])
def guesses(entry: GuessEntry, axis: Axis, workshop: "Workshop") -> Value:
    """How probable the guess is at the masked word: `probability` by the word that is masked too, "" for none.

    `attention` is an array by the same words: what the masked place gives to each at each layer, mean over the heads, with only
    the one word masked. A word that stands there again is `the 2`.
    """
    with encoder(entry, axis, workshop) as enc:
        enc.need("masked_words")
        asked = read(enc, entry.text, "", (entry.hidden,), axis)
        wanted = enc.tokenizer.convert_tokens_to_ids(entry.guess)
        if wanted == enc.tokenizer.unk_token_id:
            raise ValueError(f"guess={entry.guess!r} is no wordpiece of {enc.called}; give one that it can guess whole")
        assert asked.masked is not None
        place = int(asked.masked[0].nonzero()[0, 0])
        others = {name: at for name, at in words_of(asked).items() if place not in at}

        def probability(tokens: Tokens) -> float:
            return float(enc.outputs(tokens)["words"][0, place].double().softmax(-1)[wanted])

        seen = enc.activations(asked).attentions[:, 0, :, place].mean(1)
        return {
            "probability": {"": probability(asked)} | {name: probability(enc.hide(asked, at)) for name, at in others.items()},
            "attention": {name: seen[:, at].sum(-1).numpy() for name, at in others.items()},
        }


@artefact(
    "layers",
    entry=LayersEntry,
    axes=lambda entry: [*ARITHMETIC, BESIDE, *([Axis("one sentence more", {"more": 1})] if entry.more else [])],
    kept=False,
)
def layers(entry: LayersEntry, axis: Axis, workshop: "Workshop") -> Value:
    """A question and its passage layer by layer, 0 (embeddings) to the last, as the lab's Layers room shows them.

    `vectors` (layer token hidden), `picture` (layer token 2; its axes have no sign of their own, so only distances in it say
    anything), `explained` (layer 2), `trust` (layer), `phases` (each an array of the layers), and of every token what it reads,
    in lower case, and its role: special, question, context or answer.
    """
    shown = example(entry.example) if entry.example else None
    question, context = (shown.question, shown.context) if shown else (entry.question, entry.passage)
    if shown and axis.get("more"):
        raise ValueError(f"{entry.example!r} has marks of its own; a sentence more needs a passage that the source writes out")
    context = f"{context} {entry.more}" if axis.get("more") else context
    span = find_answer(context, entry.answer)
    marks = shown.passage(span) if shown else passage(question, context, answer=span)
    with encoder(entry, axis, workshop) as enc:
        tokens = read(enc, question, context, (), axis)
        places = tokens.span(0, *span, part=1)
        tokens = tokens.answered([(places[0], places[-1]), *[None] * (len(tokens) - 1)])
        act = enc.activations(tokens).row(0)
        made = project(act, align=True)
    return {
        "vectors": act.hidden_states[:, 0].numpy(),
        "picture": made.coordinates.numpy(),
        "explained": made.explained_variance_ratio.numpy(),
        "trust": made.trustworthiness.numpy(),
        "phases": {phase.name: phase.value.numpy() for phase in measured(act, marks, 1, 0).all},
        "support": np.isin(np.arange(len(made.places)), groups_of(act, marks).facts),
        "words": np.array([label.casefold() for label in made.labels]),
        "roles": np.array(made.roles),
    }


@artefact("word", entry=WordEntry, axes=word_axes)
def word(entry: WordEntry, axis: Axis, workshop: "Workshop") -> Value:
    """One word's vectors compared across its sentences, as the lab's Words room shows them, at every layer.

    By correction, then: `cosine` and `euclidean` (layer sentence sentence); where they are claimed, of random words `random
    cosine` and `random euclidean` (layer). `senses` are those of the sentences, which are one fewer where one is left out.
    """
    kept = [n for n in range(len(entry.sentences)) if n + 1 != axis.get("without")]
    sentences = [entry.sentences[n].removesuffix("." if axis.get("stops") == 0 else "") for n in kept]
    if axis.get("beside"):
        sentences.append(f"{NEIGHBOUR} They whispered: {entry.word}.")
    half, random = axis.get("half"), entry.about == "random words"
    # subtle: without a correction the reference decides nothing but random words, and its own sentences are few and fast
    own: Literal["own"] | None = "own" if entry.corrections == ("none",) and not random else None
    reference = own if half is None else sample()[half - 1 :: 2]
    made: dict[str, Value] = {"senses": np.array([entry.senses[n] for n in kept] if entry.senses else [""] * len(kept))}
    with encoder(entry, axis, workshop) as enc:
        for correction in entry.corrections:
            made[correction] = {}
            for metric in ("cosine", "euclidean"):
                found = compare(enc, sentences, entry.word, metric=metric, correction=correction, reference=reference)
                made[correction][metric] = found.matrices[:, : len(kept), : len(kept)].numpy()
                if random:
                    made[correction][f"random {metric}"] = found.baseline.numpy()
    return made


def words_of(tokens: Tokens, row: int = 0) -> dict[str, list[int]]:
    """The tokens of every word of a row's first text, by the word in lower case; again: `the 2`. Signs are no words."""
    found: dict[str, list[int]] = {}
    seen: set[int] = set()
    for at in range(tokens.lengths[row]):
        if int(tokens.parts[row, at]) != 0 or at in seen:
            continue
        places = tokens.word(row, at)
        seen |= set(places)
        start, end = int(tokens.offsets[row, places[0], 0]), int(tokens.offsets[row, places[-1], 1])
        name = tokens.texts[row][0][start:end].casefold()
        if any(sign.isalnum() for sign in name):
            again = sum(one.split(" ")[0] == name for one in found)
            found[f"{name} {again + 1}" if again else name] = places
    return found
