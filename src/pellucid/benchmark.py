"""Methods beside each other, graded on networks whose cause is known and on pictures or passages of one's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, final, get_args, overload

from pellucid.analysis.passages import examples
from pellucid.analysis.planted_text import DESCRIPTIONS, plant_text
from pellucid.analysis.token_scores import TokenMethod
from pellucid.explain import by_name
from pellucid.grades import Grade, Progress, grade
from pellucid.grades_text import TextGrade, grade_text
from pellucid.inputs.photograph import expand
from pellucid.methods import methods as known_methods
from pellucid.models.image import ImageClassifier
from pellucid.models.load import load_classifier, load_encoder
from pellucid.models.text import TextEncoder
from pellucid.planted import plants as known_plants
from pellucid.registry import UnknownName, unknown, validated

G = TypeVar("G", Grade, TextGrade)
LIMITS = ("tolerance", "deadline")
"""What a method may be asked for beside its own options and a preset, as numbers."""
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
        """The table as Markdown."""
        header, rows = self.table()
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))

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
    keywords of `explain`, {"quick": {"method": "lime", "samples": 100}}. With `plants` they are asked about the five planted
    networks, or those that are named, trained here in about half a minute. `on` are pictures as `model` reads them, and
    folders of such; by default the ten observation images, with None there are none. The class asked about is the one that
    the model predicts. `progress` is told the share that is done, and what is under way.

    Raises before any work KeyError for an unknown method, TypeError or ValueError for options or pictures that will not do. A
    method that cannot explain a network is among the grades, with the reason in `failed`.
    """
    asked = asked_for(methods)
    names = list(known_plants) if plants is True else list(plants or ())
    for name in names:
        if name not in known_plants:
            raise UnknownName(unknown("plant", name, known_plants))
    if on is None and not names:
        raise ValueError("without plants and without pictures there is nothing to grade on; give pictures as `on`")
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
    the worked examples, with an empty list there are none. Raises before any work KeyError for an unknown method.
    """
    known: tuple[TokenMethod, ...] = get_args(TokenMethod)
    for wanted in methods or ():
        if wanted not in known:
            raise UnknownName(unknown("method for text", wanted, known))
    chosen: list[TokenMethod] = [name for name in known if methods is None or name in set(methods)]
    _some(chosen)
    passages = [(one.question, one.context) for one in examples().values()] if on is None else list(on)
    if not passages and not plants:
        raise ValueError("without plants and without passages there is nothing to grade on; give pairs of texts as `on`")
    reader = encoder if isinstance(encoder, TextEncoder) else load_encoder(encoder) if passages else None
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
    if isinstance(methods, str):
        raise TypeError(f"methods is the text {methods!r}; give a list of such")
    named = methods if isinstance(methods, Mapping) else dict(zip(methods, methods, strict=True))
    _some(named)
    return {label: _checked(_split(how) if isinstance(how, str) else {"method": label, **how}) for label, how in named.items()}


def _some(named: Any) -> None:
    if not named:
        raise ValueError("methods is empty; name one at least, or leave it out for all")


def _split(text: str) -> dict[str, Any]:
    """`smoothgrad:samples=200,noise=0.1`, or with JSON after the colon, as it stands in a link of the lab."""
    name, colon, rest = text.partition(":")
    if not colon:
        return {"method": name}
    known_methods[name]  # a name that is unknown is said first
    if rest.startswith("{"):
        try:
            return {"method": name, **json.loads(rest)}
        except ValueError as error:
            raise ValueError(f"{text!r}: what follows {name!r} is no JSON: {error}") from None
    pairs = [part.partition("=") for part in rest.split(",")]
    if not all(option and sign and value for option, sign, value in pairs):
        some = next(iter(known_methods[name].options.model_fields), "preset")
        raise ValueError(f"{text!r}: after {name}: stand options with their values, such as {name}:{some}=...,tolerance=0.1")
    return {"method": name, **{option.strip().replace("-", "_"): value.strip() for option, _, value in pairs}}


def _checked(how: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every value of its type."""
    method = known_methods[how["method"]]
    beside = {name: how[name] for name in ("method", "preset", *LIMITS) if name in how}
    if "preset" in beside:
        method.preset(beside["preset"])
    for name in LIMITS:
        if name in beside:
            beside[name] = _above_zero(method.name, name, beside[name])
    own = {name: by_name(method, name, value) for name, value in how.items() if name not in beside}
    typed = validated(method.name, method.options, own)
    return {**beside, **{name: typed[name] for name in own}}


def _above_zero(owner: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not number > 0:
        raise ValueError(f"{owner}: {name}={value!r}: it is a number above 0")
    return number


def _pictures(on: Any) -> Any:
    """Every picture, those of folders too."""
    if isinstance(on, str | Path):
        return list(expand([on]))
    if not isinstance(on, list | tuple):
        return on
    return [one for source in on for one in (expand([source]) if isinstance(source, str | Path) else [source])]
