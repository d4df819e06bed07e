"""Methods beside each other, graded on networks whose cause is known and on pictures or passages of one's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, final, get_args, overload

import torch
from torch import nn

from pellucid.analysis.passages import examples
from pellucid.analysis.planted_text import DESCRIPTIONS, plant_text
from pellucid.analysis.token_scores import TokenMethod
from pellucid.explain import by_name, explain_stream
from pellucid.grades import CANNOT, Grade, Progress, grade
from pellucid.grades_text import TextGrade, grade_text
from pellucid.inputs.photograph import expand
from pellucid.methods import methods as known_methods
from pellucid.models.image import ImageClassifier
from pellucid.models.load import load_classifier, load_encoder
from pellucid.models.text import TextEncoder
from pellucid.planted import plants as known_plants
from pellucid.registry import Contradiction, OptionValue, UnknownName, unknown, validated

G = TypeVar("G", Grade, TextGrade)
LIMITS = ("tolerance", "deadline")
"""What a method may be asked for beside its own options and a preset, as numbers."""
EMPTY = "methods is empty; name one at least, or leave it out for all"
GROWING = 0.2
"""Of all the work, the share that training the planted networks is taken for."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Grades(Sequence[G], Generic[G]):
    """Grades, best first: by place, or by the method as it was asked for. Printed, or shown by a notebook, they are a table."""

    grades: tuple[G, ...]
    plants: Mapping[str, Mapping[str, Any]]
    """The planted networks by name: what decides (`description`), and their `accuracy` on examples they were not trained on."""
    images: tuple[str, ...] = ()
    """The pictures' names, or the questions."""

    def __len__(self) -> int:
        return len(self.grades)

    def __iter__(self) -> Iterator[G]:
        return iter(self.grades)

    @overload
    def __getitem__(self, which: int | str) -> G: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[G, ...]: ...
    def __getitem__(self, which: int | str | slice) -> G | tuple[G, ...]:
        if not isinstance(which, str):
            return self.grades[which]
        found = {one.method: one for one in self.grades}
        if which not in found:
            raise UnknownName(unknown("method graded", which, found))
        return found[which]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The columns' names and the rows, without columns that hold nothing."""
        rows = [one.row() for one in self.grades]
        header = tuple(name for name in rows[0] if any(row[name] != "-" for row in rows))
        return header, [tuple(row[name] for name in header) for row in rows]

    def markdown(self) -> str:
        """The table as Markdown, and below it what failed and why."""
        header, rows = self.table()
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *escaped)]
        return "\n".join([*lines, *(f"\n{reason}" for reason in self.failures())])

    def failures(self) -> list[str]:
        """Which methods gave no answer somewhere, and why."""
        return [f"{one.method}: {one.failed}" for one in self.grades if one.failed]

    __str__ = __repr__ = _repr_markdown_ = markdown


def benchmark(
    methods: Sequence[str] | Mapping[str, str | Mapping[str, Any]] | None = None,
    *,
    model: ImageClassifier | str | Path = "imagenet",
    on: Any = "observation",
    plants: bool | Sequence[str] = True,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> Grades[Grade]:
    """Each method graded, best first: does it find a cause that is known, do its maps hold up on pictures, at what cost?

    `methods` are names, all of them by default; `smoothgrad:samples=200,noise=0.1` is one with options, of which `preset`,
    `tolerance` and `deadline` may be some. In a mapping each has a label of yours: {"quick": "lime:samples=100"}, or the
    keywords of `explain`, {"quick": {"method": "lime", "samples": 100}}, but for target and against. With `plants` they are
    asked about the five planted networks, or those that are named, trained here in about half a minute. `on` are pictures as
    `model` reads them, and folders of such; by default the ten observation images, with None there are none. The class asked
    about is the one that the model predicts. A deadline is for all the images of one network together. `seed` is for all that
    is drawn, but for a method that is given a seed of its own. `progress` is told the share that is done, and of what.

    Raises before any work KeyError for an unknown method or plant, TypeError or ValueError for options that a method does not
    have, that are of another kind or contradict each other, and for pictures that cannot be read. A method that cannot
    explain a network, or whose options do not suit it, is among the grades, with the reason in `failed`.
    """
    asked = {label: _seeded(how, seed) for label, how in asked_for(methods).items()}
    names = _some("plants", list(known_plants) if plants is True else plants or ())
    for name in names:
        if name not in known_plants:
            raise UnknownName(unknown("plant", name, known_plants))
    if on is None and not names:
        raise ValueError("without plants and without pictures there is nothing to grade on; give pictures as `on`")
    if seed < 0:
        raise ValueError(f"seed is {seed}; at least 0")
    _check_together(asked)
    images = None
    if on is not None:
        model = model if isinstance(model, ImageClassifier) else load_classifier(model)
        model.check_mode()
        images = model.read(_pictures(on))
    grown = {}
    for n, name in enumerate(names):
        progress(GROWING * n / len(names), f"training the plant {name}")
        grown[name] = known_plants[name](seed)
    grades = grade(
        asked, grown, model if isinstance(model, ImageClassifier) else None, images,
        seed=seed, progress=lambda share, what: progress(GROWING + (1 - GROWING) * share, what),
    )  # fmt: skip
    told = {name: {"description": one.description, "accuracy": one.accuracy} for name, one in grown.items()}
    return Grades(grades, told, () if images is None else tuple(images.names))


def benchmark_text(
    methods: Sequence[str] | None = None,
    *,
    encoder: TextEncoder | str | Path = "minilm-qa",
    on: Sequence[tuple[str, str]] | None = None,
    plants: bool = True,
    seed: int = 0,
    progress: Progress = lambda share, what: None,
) -> Grades[TextGrade]:
    """The methods of `token_scores` graded, best first: do they find the words that decide, and does the answer hang on them?

    `methods` are names, all of them by default. With `plants` they are asked about two encoders that were taught a rule about
    one or two words, trained here in seconds. `on` are pairs of a question and a passage, which `encoder` answers: by default
    the worked examples, with an empty list there are none. Raises before any work KeyError for an unknown method, ValueError
    for passages that the encoder cannot read, or an encoder that answers no questions.
    """
    known: tuple[TokenMethod, ...] = get_args(TokenMethod)
    asked = known if methods is None else _some("methods", methods)
    for wanted in asked:
        if wanted not in known:
            raise UnknownName(unknown("method for text", wanted, known))
    chosen: list[TokenMethod] = [name for name in known if name in set(asked)]
    if not chosen:
        raise ValueError(EMPTY)
    passages = [(one.question, one.context) for one in examples().values()] if on is None else [_pair(one) for one in on]
    if not passages and not plants:
        raise ValueError("without plants and without passages there is nothing to grade on; give pairs of texts as `on`")
    reader = None
    if passages:
        reader = encoder if isinstance(encoder, TextEncoder) else load_encoder(encoder)
        reader.need("question_answering")
        reader.read(passages)  # what is too long is said now
    grown = []
    for n, kind in enumerate(DESCRIPTIONS if plants else ()):
        progress(0.5 * n / len(DESCRIPTIONS), f"training the plant {kind}")
        grown.append(plant_text(kind, seed))
    grades = grade_text(
        chosen, grown, reader, passages, seed=seed, progress=lambda share, what: progress(0.5 + 0.5 * share, what)
    )
    told = {one.name: {"description": one.description, "accuracy": one.accuracy} for one in grown}
    return Grades(grades, told, tuple(question for question, _ in passages))


def asked_for(methods: Sequence[str] | Mapping[str, str | Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """The keywords of `explain` by label; KeyError, TypeError or ValueError for what no method takes."""
    if methods is None:
        return {name: {"method": name} for name in known_methods}
    named = methods if isinstance(methods, Mapping) else {name: name for name in _some("methods", methods)}
    if not named:
        raise ValueError(EMPTY)
    for label, how in named.items():
        if not (isinstance(label, str) and isinstance(how, str | Mapping)):
            raise TypeError(f"{how!r} for {label!r} is no method; write 'lime:samples=100', or a mapping, labelled by a text")
    return {label: _checked(_split(how) if isinstance(how, str) else {"method": label, **how}) for label, how in named.items()}


def _some(name: str, given: Sequence[str]) -> list[str]:
    """Texts, of which one alone is not taken apart into letters."""
    if isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise TypeError(f"{name} is {given!r}; give a list of texts")
    return list(given)


def _split(text: str) -> dict[str, Any]:
    """`smoothgrad:samples=200,noise=0.1`, or with JSON after the colon, as it stands in a link of the lab."""
    name, colon, rest = text.partition(":")
    if not colon:
        return {"method": name}
    known_methods[name]  # a name that is unknown is said first
    if rest.startswith("{"):
        try:
            pairs = json.loads(rest, object_pairs_hook=list)
        except ValueError as error:
            raise ValueError(f"{text!r}: what follows {name!r} is no JSON: {error}") from None
    else:
        parts = [part.partition("=") for part in rest.split(",")]
        if not all(option and sign and value for option, sign, value in parts):
            some = next(iter(known_methods[name].options.model_fields), "preset")
            raise ValueError(f"{text!r}: after {name}: stand options and their values, such as {name}:{some}=...,tolerance=0.1")
        pairs = [(option.strip().replace("-", "_"), value.strip()) for option, _, value in parts]
    options = dict(pairs)
    if len(options) < len(pairs) or "method" in options:
        twice = "method" if "method" in options else next(o for o in options if [one for one, _ in pairs].count(o) > 1)
        raise ValueError(f"{text!r} says twice what {twice!r} is")
    return {"method": name, **options}


def _checked(how: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every value of its type. Pictures stay as they are, to be given a name when they are needed."""
    how = {name: value for name, value in how.items() if value is not None}
    method = known_methods[how["method"]]
    beside = {name: how[name] for name in ("method", "preset", *LIMITS) if name in how}
    if "preset" in beside:
        method.preset(beside["preset"])
    for name in LIMITS:
        if name in beside:
            beside[name] = _above_zero(method.name, name, beside[name])
    own = {name: value for name, value in how.items() if name not in beside}
    typed = validated(method.name, method.options, {name: by_name(method, name, value) for name, value in own.items()})
    return {**beside, **{name: typed[name] if isinstance(value, OptionValue) else value for name, value in own.items()}}


def _seeded(how: Mapping[str, Any], seed: int) -> dict[str, Any]:
    drawn = {"seed": seed} if "seed" in known_methods[how["method"]].options.model_fields else {}
    return {**drawn, **how}


def _check_together(asked: Mapping[str, Mapping[str, Any]]) -> None:
    """Contradiction for options that do not go together, which a network of a few weights tells in no time."""
    with torch.random.fork_rng(devices=[]):
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    tried = ImageClassifier(module, size=(16, 16), mean=(0.0,) * 3, std=(1.0,) * 3)
    for how in asked.values():
        try:
            with closing(explain_stream(tried, torch.zeros(1, 3, 16, 16), **{**how, "deadline": None})) as answers:
                next(answers)
        except Contradiction:
            raise
        except (*CANNOT, RuntimeError):
            continue  # what does not suit this network may suit those that are asked about


def _above_zero(owner: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not number > 0:
        raise ValueError(f"{owner}: {name}={value!r}: it is a number above 0")
    return number


def _pair(given: Any) -> tuple[str, str]:
    if not (isinstance(given, list | tuple) and len(given) == 2 and all(isinstance(one, str) for one in given)):
        raise ValueError(f"{given!r} is no pair of a question and a passage; give a list of such pairs as `on`")
    return given[0], given[1]


def _pictures(on: Any) -> Any:
    """Every picture, those of folders too."""
    if isinstance(on, str | Path):
        return list(expand([on]))
    if not isinstance(on, list | tuple):
        return on
    return [one for source in on for one in (expand([source]) if isinstance(source, str | Path) else [source])]
