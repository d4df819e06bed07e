"""A question and its passage as one encoder reads them: the answer marked, and what is to be measured of it."""

from pellucid.analysis.answers import answer
from pellucid.analysis.groups import Groups, token_groups, with_static_topics
from pellucid.analysis.passages import Passage, Span
from pellucid.analysis.phases import Phases, phases
from pellucid.inputs.text import Tokens
from pellucid.models.activations import Activations, Pooling
from pellucid.models.text import TextEncoder


def predicted_answer(encoder: TextEncoder, question: str, context: str) -> tuple[Span | None, str]:
    """The characters of the model's answer, and where they are from; None with the reason where it gives none."""
    if not encoder.answers_questions:
        return None, f"{encoder.called} has no question-answering head"
    found = answer(encoder, question, context)[0]
    if found.start is None or found.end is None:
        return None, f"{encoder.called} finds no answer"
    return (found.start, found.end), "model"


def read_marked(encoder: TextEncoder, tokens: Tokens, marks: Passage, by_word: Pooling | None = None) -> Activations:
    """The forward pass, the answer marked, by word if so wanted."""
    if marks.answer:
        places = tokens.span(0, *marks.answer, part=1)
        tokens = tokens.answered([(places[0], places[-1])])
    act = encoder.activations(tokens)
    return act.by_word(by_word) if by_word else act


def with_topics(marks: Passage, act: Activations) -> tuple[Passage, str]:
    """The marks with topics, and where these are from: an example's own, or clusters of the embedding layer."""
    if marks.topics:
        return marks, "example"
    return with_static_topics(marks, act), "clusters of the embedding layer"


def groups_of(act: Activations, marks: Passage) -> Groups:
    return token_groups(act.tokens, marks)


def measured(act: Activations, marks: Passage, samples: int, seed: int) -> Phases:
    """The four phases of the marked passage at every layer."""
    return phases(act, groups_of(act, marks), samples=samples, seed=seed)
