"""What a batch has to answer: a Request for each picture and method, and which of them are answered together."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

from pydantic import ValidationError

from pellucid.explain import settled
from pellucid.inputs.photograph import expand
from pellucid.methods import methods as registered
from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.load import load_classifier
from pellucid.registry import unknown, validated
from pellucid.request import Request
from pellucid.stream import check_limits

Sources = str | Path | Request | Iterable[str | Path | Request]
TOGETHER = 8
"""Pictures that are explained at once, at most: what takes three passes is twice to three times as fast then."""


@final
@dataclass(frozen=True)
class Settings:
    """How requests are answered: what all rows of a folder have in common."""

    engine: Engine = "torch"
    tolerance: float | None = None
    deadline: float | None = None
    """Seconds a picture and method."""
    trust: bool = True

    def __post_init__(self) -> None:
        check_limits(self.tolerance, self.deadline)

    @property
    def alone(self) -> bool:
        """Whether each picture is explained by itself, since a limit counts for one."""
        return self.tolerance is not None or self.deadline is not None

    def unlike(self, other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """By name, what is otherwise there and here."""
        return {name: (other.get(name), here) for name, here in asdict(self).items() if other.get(name) != here}


def requested(
    sources: Sources,
    model: ImageClassifier | str | Path = "imagenet",
    *,
    methods: str | Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    target: str | int | None = None,
    against: str | int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
    limit: int | None = None,
) -> list[Request]:
    """What `batch` is asked: the requests that are given, or one for each picture and method; each with all of its options, so
    that equal questions have equal keys.

    KeyError for an unknown method, class or preset; ValueError or TypeError for options that do not fit, where there is no
    source or no method, and for requests beside what they say themselves.
    """
    named = listed(sources)
    given = [one for one in named if isinstance(one, Request)]
    pictures = [str(one) for one in named if not isinstance(one, Request)]
    chosen = list(dict.fromkeys([methods] if isinstance(methods, str) else methods))
    if given and pictures:
        raise TypeError("some sources are requests and some are pictures; give one or the other")
    if given:
        if chosen or options or target is not None or against is not None or preset is not None:
            raise ValueError("a request says itself by which method it is, and with what: leave methods, options and such out")
        found = list({request.key: request for request in map(filled, given)}.values())[:limit]
    else:
        if not chosen:
            raise ValueError(f"no method is asked; known: {', '.join(registered)}")
        model = model if isinstance(model, ImageClassifier) else load_classifier(model)
        found = _planned(model, islice(expand(pictures), limit), chosen, options or {}, target, against, preset, tolerance)
    if not found:
        raise ValueError("no picture to explain: there are no sources")
    return found


def listed(sources: Sources) -> list[str | Path | Request]:
    """The sources one by one. TypeError for one that is neither a path nor a request."""
    named: list[str | Path | Request] = [sources] if isinstance(sources, str | Path | Request) else [*sources]
    for one in named:
        if not isinstance(one, str | Path | Request):
            raise TypeError(
                f"a source of a batch is a path or a Request, not a {type(one).__name__}; save the picture as a file, or use "
                "pl.explain, which takes a list of pictures in memory"
            )
    return named


def _planned(
    model: ImageClassifier, pictures: Iterable[str], methods: Sequence[str], options: Mapping[str, Mapping[str, Any]],
    target: str | int | None, against: str | int | None, preset: str | None, tolerance: float | None,
) -> list[Request]:  # fmt: skip
    for name in options:
        if name not in methods:
            raise ValueError(f"options of {name!r}, which is not among the methods that are asked: {', '.join(methods)}")
    wanted = None if target is None else model.class_index(target)
    rather = None if against is None else model.class_index(against)
    if wanted is not None and wanted == rather:
        raise ValueError(f"target and against are both {target!r}: their difference is 0 everywhere; name two classes")
    asked = {
        name: _complete(name, settled(
            registered[name], options.get(name, {}), preset=preset, tolerance=tolerance, contrast=rather is not None
        )) for name in methods
    }  # fmt: skip
    return [
        Request(
            model=model.name, source=(picture,), target=None if wanted is None else (wanted,), against=rather, method=name,
            **of_it,
        )
        for picture in dict.fromkeys(pictures) for name, of_it in asked.items()
    ]  # fmt: skip


def _complete(method: str, options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """All options of the method, and its seed apart, as a Request has them."""
    chosen = validated(f"{where}{method}", registered[method].options, options)
    return {"options": {k: v for k, v in chosen.items() if k != "seed"}, "seed": chosen.get("seed")}


def read_requests(path: Path) -> list[Request]:
    """The requests in a file, one a line as JSON. ValueError with the line for what is none, or for more than one picture."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            found.append(_request(line, f"{str(path)!r}, line {number}"))
    if not found:
        raise ValueError(f"{str(path)!r} holds no request; each line is one, as JSON: --plan prints them")
    return found


def _request(line: str, where: str) -> Request:
    try:
        request = Request.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(map(str, first["loc"])) or "the line"
        raise ValueError(f"{where} is no request: {what}: {first['msg']}") from None
    return filled(request, where)


def filled(request: Request, where: str = "the request") -> Request:
    """The same with every option of its method. KeyError or ValueError where it asks what cannot be answered."""
    if len(request.source) != 1 or (request.target is not None and len(request.target) != 1):
        raise ValueError(f"{where} is about {len(request.source)} pictures; of a batch, each is about one")
    if request.method not in registered:
        raise ValueError(f"{where}: {unknown('method', request.method, registered)}")
    given = request.options if request.seed is None else {**request.options, "seed": request.seed}
    chosen = settled(registered[request.method], given, contrast=request.against is not None)
    return request.model_copy(update=_complete(request.method, chosen, f"{where}: "))


def grouped(requests: Sequence[Request], size: int) -> Iterator[list[Request]]:
    """All requests about `size` pictures at a time, in the order in which these are named first."""
    by_picture: dict[str, list[Request]] = {}
    for request in requests:
        by_picture.setdefault(request.source[0], []).append(request)
    pictures = list(by_picture.values())
    for first in range(0, len(pictures), size):
        yield [request for of_one in pictures[first : first + size] for request in of_one]


def alike(requests: Sequence[Request]) -> list[list[Request]]:
    """Those that differ in nothing but their picture, together."""
    groups: dict[str, list[Request]] = {}
    for request in requests:
        question = json.dumps(request.model_dump(mode="json", exclude={"source"}), sort_keys=True)
        groups.setdefault(question, []).append(request)
    return list(groups.values())
