"""Requests about a few pictures or texts, answered: a row each, or why there is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from pellucid.batch.networks import Network
from pellucid.batch.pictures import picture_rows, read_picture
from pellucid.batch.plan import Settings, alike
from pellucid.batch.rows import Answered, Asked
from pellucid.inputs.photograph import PictureFile
from pellucid.models.errors import first_line
from pellucid.models.image import ImageClassifier
from pellucid.registry import Contradiction, UnknownName
from pellucid.request import Request


@final
@dataclass(frozen=True)
class Failure:
    """A request that has no row, and why."""

    request: Request
    error: str


@final
@dataclass(frozen=True, eq=False)
class Chunk:
    """Requests about a few pictures or texts, and the files of the pictures by their names."""

    requests: Sequence[Request]
    files: Mapping[str, PictureFile]

    @classmethod
    def read(cls, requests: Sequence[Request], models: Mapping[str, Network]) -> "tuple[Chunk, list[Failure]]":
        """The requests with their files, and those whose file cannot be read."""
        files: dict[str, PictureFile] = {}
        unread: dict[str, str] = {}
        pictures = [request for request in requests if isinstance(models[request.model], ImageClassifier)]
        for source in dict.fromkeys(request.source[0] for request in pictures):
            try:
                files[source] = PictureFile.read(source)
            except (ValueError, OSError) as error:
                unread[source] = str(error)
        failed = [Failure(r, unread[r.source[0]]) for r in pictures if r.source[0] in unread]
        without = {failure.request.key for failure in failed}
        return cls([request for request in requests if request.key not in without], files), failed

    def one_by_one(self) -> "list[Chunk]":
        """A chunk for each picture or text."""
        by_source: dict[tuple[str, ...], list[Request]] = {}
        for request in self.requests:
            by_source.setdefault(request.source, []).append(request)
        return [
            Chunk(several, {name: self.files[name] for name in source if name in self.files})
            for source, several in by_source.items()
        ]


def answers(
    models: Mapping[str, Network], chunk: Chunk, settings: Settings, records: bool = False
) -> Iterator[Answered | Failure]:
    """Of each request, by the networks of those names.

    What somebody's network does is a failure of the request. A contradiction among options is raised: it is one of every
    picture.
    """
    for together in alike(chunk.requests):
        model = models[together[0].model]
        able: list[Asked] = []
        for request in together:
            try:
                able.append(_read(model, request, chunk))
            except (ValueError, OSError) as error:
                yield Failure(request, str(error))
        for part in [[one] for one in able] if settings.alone else [able]:
            yield from _answered(model, part, settings, records)


def _read(model: Network, request: Request, chunk: Chunk) -> Asked:
    if isinstance(model, ImageClassifier):
        return read_picture(model, request, chunk.files[request.source[0]])
    from pellucid.batch.texts import read_text  # with transformers, which is there by now

    return read_text(model, request)


def _rows(model: Network, part: Sequence[Asked], settings: Settings, records: bool) -> list[Answered]:
    if isinstance(model, ImageClassifier):
        return picture_rows(model, part, settings, records)
    from pellucid.batch.texts import text_rows

    return text_rows(model, part, settings.trust)


def _answered(model: Network, part: Sequence[Asked], settings: Settings, records: bool) -> Iterator[Answered | Failure]:
    """Together, or one by one where one of them spoils it for the others."""
    try:
        yield from _rows(model, part, settings, records) if part else ()
    except Contradiction:
        raise
    except Exception as error:  # whatever: somebody's network
        if len(part) == 1:
            ours = isinstance(error, ValueError | OSError | UnknownName)
            yield Failure(part[0].request, str(error) if ours else f"{type(error).__name__}: {first_line(error)}")
        else:
            for one in part:
                yield from _answered(model, [one], settings, records)
