"""What a batch has to answer: a Request for each picture or text and method, and which of them are answered together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

from pydantic import ValidationError

from pellucid.batch.networks import Network
from pellucid.explain import settled
from pellucid.inputs.photograph import expand
from pellucid.methods import methods as registered
from pellucid.models.image import Engine, ImageClassifier
from pellucid.registry import validated
from pellucid.request import Request
from pellucid.stream import check_limits

Source = str | Path | tuple[str, ...] | Request
"""A picture or a folder of them; a text, a question with its context, or a file of texts; or a request."""
TOGETHER = 8
"""Pictures or texts that are explained at once, at most: what takes three passes is twice to three times as fast then."""


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
    sources: Sequence[Source],
    models: Mapping[str, Network],
    *,
    methods: str | Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    target: str | int | None = None,
    against: str | int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
    limit: int | None = None,
) -> list[Request]:
    """What `batch` is asked: the requests that are given, or one for each picture or text and method; each with all of its
    options, so that equal questions have equal keys.

    KeyError for an unknown method, class or preset; ValueError or TypeError for options that do not fit, where there is no
    source or no method, and for requests beside what they say themselves.
    """
    given = [one for one in sources if isinstance(one, Request)]
    named = [one for one in sources if not isinstance(one, Request)]
    chosen = list(dict.fromkeys([methods] if isinstance(methods, str) else methods))
    if given and named:
        raise TypeError("some sources are requests and some are not; give one or the other")
    if given:
        if chosen or options or target is not None or against is not None or preset is not None:
            raise ValueError("a request says itself by which method it is, and with what: leave methods, options and such out")
        filled = [_filled(one, models[one.model], f"request {n}") for n, one in enumerate(given, start=1)]
        return list({request.key: request for request in filled}.values())[:limit]
    (model,) = models.values()
    if not chosen:
        raise ValueError(f"no method is asked; known: {', '.join(_methods(model))}")
    for name in options or {}:
        if name not in chosen:
            raise ValueError(f"options of {name!r}, which is not among the methods that are asked: {', '.join(chosen)}")
    if isinstance(model, ImageClassifier):
        pictures = _pictures(named)
        classes = _classes(model, target, against)
        asked = [
            _complete(model, name, (options or {}).get(name, {}), preset=preset, tolerance=tolerance, **classes)
            for name in chosen
        ]
        each = dict.fromkeys((picture,) for picture in islice(expand(pictures), limit))
    else:
        if against is not None or preset is not None:
            raise ValueError(f"against and preset are for pictures; {model.called} reads text")
        from pellucid.batch.texts import text_target

        each = dict.fromkeys((one,) if isinstance(one, str) else tuple(map(str, one)) for one in islice(_texts(named), limit))
        number = None if target is None or not each else text_target(model, list(each), target)
        asked = [_complete(model, name, (options or {}).get(name, {}), target=number) for name in chosen]
    if not each:
        raise ValueError(f"nothing to explain: there {'are no sources' if not named else 'is nothing in the sources'}")
    return [Request(model=model.name, source=source, **of_it) for source in each for of_it in asked]


def _pictures(named: Sequence[str | Path | tuple[str, ...]]) -> list[str]:
    for one in named:
        if not isinstance(one, str | Path):
            raise TypeError(
                f"a picture of a batch is a path, not a {type(one).__name__}; save it as a file, or use pl.explain, which "
                "takes a list of pictures in memory"
            )
    return [str(one) for one in named]


def _texts(named: Sequence[str | Path | tuple[str, ...]]) -> Iterator[str | tuple[str, ...]]:
    """A text, or a question and its context, one by one; of a file, those in it."""
    from pellucid.batch.texts import ENDINGS, read_texts

    for one in named:
        if isinstance(one, Path) or (isinstance(one, str) and one.endswith(ENDINGS) and "\n" not in one):
            yield from read_texts(Path(one))
        elif isinstance(one, str) and 0 < len(one) < 256 and Path(one).exists():
            raise ValueError(f"{one!r} is there as a file or folder, and an encoder reads text; a file of texts ends in "
                             f"{', '.join(ENDINGS)}")  # fmt: skip
        else:
            yield one


def _methods(model: Network) -> Sequence[str]:
    if isinstance(model, ImageClassifier):
        return list(registered)
    from pellucid.batch import texts

    return list(texts.OPTIONS)


def _classes(model: ImageClassifier, target: str | int | None, against: str | int | None) -> dict[str, int | None]:
    wanted = None if target is None else model.class_index(target)
    rather = None if against is None else model.class_index(against)
    if wanted is not None and wanted == rather:
        raise ValueError(f"target and against are both {target!r}: their difference is 0 everywhere; name two classes")
    return {"target": wanted, "against": rather}


def _complete(
    model: Network,
    method: str,
    options: Mapping[str, Any],
    *,
    target: int | None = None,
    against: int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
) -> dict[str, Any]:
    """What a Request says beside its model and source: all options of the method, and its seed apart."""
    if isinstance(model, ImageClassifier):
        of = registered[method]
        chosen = validated(
            method, of.options, settled(of, options, preset=preset, tolerance=tolerance, contrast=against is not None)
        )
    else:
        from pellucid.batch.texts import text_options

        chosen = text_options(method, options)
    return {
        "method": method, "target": None if target is None else (target,), "against": against,
        "options": {k: v for k, v in chosen.items() if k != "seed"}, "seed": chosen.get("seed"),
    }  # fmt: skip


def _filled(request: Request, model: Network, where: str) -> Request:
    """The same with every option of its method. KeyError or ValueError where it asks what cannot be answered."""
    most, what = (1, "pictures") if isinstance(model, ImageClassifier) else (2, "texts")
    if not 1 <= len(request.source) <= most or (request.target is not None and len(request.target) != 1):
        raise ValueError(f"{where} is about {len(request.source)} {what}; of a batch, each is about one")
    target = None if request.target is None else request.target[0]
    if isinstance(model, ImageClassifier):
        _classes(model, target, request.against)
    elif request.against is not None:
        raise ValueError(f"{where} sets a class against another; that is for pictures, and {model.called} reads text")
    given = request.options if request.seed is None else {**request.options, "seed": request.seed}
    try:
        return request.model_copy(update=_complete(model, request.method, given, target=target, against=request.against))
    except (KeyError, ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from None


def read_requests(path: Path) -> list[Request]:
    """The requests in a file, one a line as JSON. ValueError with the line for what is none."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(Request.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            what = ".".join(map(str, first["loc"])) or "the line"
            raise ValueError(f"{str(path)!r}, line {number} is no request: {what}: {first['msg']}") from None
    if not found:
        raise ValueError(f"{str(path)!r} holds no request; each line is one, as JSON: --plan prints them")
    return found


def grouped(requests: Sequence[Request], size: int) -> Iterator[list[Request]]:
    """All requests about `size` pictures or texts at a time, in the order in which these are named first."""
    by_source: dict[tuple[str, ...], list[Request]] = {}
    for request in requests:
        by_source.setdefault(request.source, []).append(request)
    several = list(by_source.values())
    for first in range(0, len(several), size):
        yield [request for of_one in several[first : first + size] for request in of_one]


def alike(requests: Sequence[Request]) -> list[list[Request]]:
    """Those that differ in nothing but their picture or text, together; texts with a context apart from those without."""
    groups: dict[tuple[int, str], list[Request]] = {}
    for request in requests:
        question = json.dumps(request.model_dump(mode="json", exclude={"source"}), sort_keys=True)
        groups.setdefault((len(request.source), question), []).append(request)
    return list(groups.values())
