"""`batch`: many pictures by several methods, as rows of Parquet; what is there already is not made again."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import pyarrow as pa

from pellucid.batch.folder import Folder
from pellucid.batch.plan import TOGETHER, Settings, Sources, grouped, listed, requested
from pellucid.batch.work import Answered, Chunk, Failure, answers, content_name
from pellucid.inputs.photograph import PictureFile
from pellucid.models.image import Engine, ImageClassifier
from pellucid.models.load import check_no_code, load_classifier
from pellucid.request import Request

Where = Literal["local", "ray"]
Found = Generator[Answered | Failure, None, None]


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """What a run of `batch` came to: how many rows it made, what failed, and where the rows are."""

    folder: Path
    made: int
    """Rows that this run added."""
    there: int
    """Rows that were asked for and were there before."""
    failed: tuple[Failure, ...]
    seconds: float
    verdicts: Mapping[str, Mapping[str, int]]
    """By method, how often this run came to which verdict."""
    _rows: Folder = field(repr=False)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows in the folder, of this run and of others, or these columns of them."""
        return self._rows.read(columns)


def batch(
    sources: Sources,
    out: str | Path,
    *,
    methods: str | Sequence[str] = (),
    model: ImageClassifier | str | Path = "imagenet",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    target: str | int | None = None,
    against: str | int | None = None,
    preset: str | None = None,
    tolerance: float | None = None,
    deadline: float | None = None,
    trust: bool = True,
    records: bool = False,
    limit: int | None = None,
    engine: Where = "local",
    network_engine: Engine | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Batch:
    """Each picture explained by each of the methods, with the evidence on the map, as rows of Parquet files in `out`.

    `sources` are pictures, folders of pictures and observations, or requests (`Request`), which say themselves of which model,
    method and options they are; `options` are by method. A row has the map, what it is of and all that makes it again;
    `pellucid.batch.rows.COLUMNS` says what each column holds. A request whose row is in `out` is not answered again, unless
    its picture has changed, in which case the old row goes: a run that ended early goes on where it was, and a process that is
    killed loses at most the last thirty seconds, or the picture it was at. What fails is told in the answer and in
    `out/_failed.jsonl` and tried again by the next run, and the rest goes on. `limit` takes so many pictures, or requests, and
    no more. With `records` every row has a record, `out/_records/KEY.safetensors`, for `replay` and `measure`.

    `engine="ray"` hands a few pictures at a time to the tasks of a Ray cluster, a processor each (pip install 'pellucid[ray]'):
    the one that this process is connected to or that RAY_ADDRESS names, else one of its own on this machine. Networks and
    pictures' files are sent there; a network that Python code makes (FILE.py:NAME) is made there, from the same file. A task
    whose process dies is tried twice more, then its pictures one by one. Rows are those of `engine="local"` up to rounding.

    Of the other arguments see `explain`; `deadline` is for each picture and method, `network_engine` is what runs the networks'
    passes (`model.on`). `progress` is told how many requests are done, of how many, and the last picture's name; `cancelled` is
    asked after each. ValueError for a folder whose rows are of other weights, limits, engine or evidence, for no sources, and
    for a wrong question, which is one of every picture.
    """
    start = time.monotonic()
    if engine not in ("local", "ray"):
        raise ValueError(f"no engine named {engine!r} for a batch; known: local, ray. Of the network's, see network_engine")
    named = listed(sources)
    if not isinstance(model, ImageClassifier) and not any(isinstance(one, Request) for one in named):
        model = load_classifier(model)
    requests = requested(
        named, model, methods=methods, options=options, target=target, against=against, preset=preset, tolerance=tolerance,
        limit=limit,
    )  # fmt: skip
    kept_on = network_engine or (model.engine if isinstance(model, ImageClassifier) else "torch")
    settings = Settings(kept_on, tolerance, deadline, trust)
    models = _networks(requests, model, kept_on)
    for network in models.values():
        network.check_mode()
    folder = Folder(Path(out), settings)
    folder.check_weights({name: network.fingerprint for name, network in models.items()})
    missing = _missing(folder, requests)
    failed: list[Failure] = []
    verdicts: dict[str, dict[str, int]] = {method: {} for method in dict.fromkeys(r.method for r in requests)}
    made = 0
    found = _locally(models, missing, settings, records) if engine == "local" else _on_ray(models, missing, settings, records)
    try:
        with closing(found):
            for done, one in enumerate(found, start=1):
                if isinstance(one, Failure):
                    failed.append(one)
                else:
                    folder.add(one.row, one.record)
                    made += 1
                    if (verdict := one.row.verdict) is not None:
                        counts = verdicts[one.request.method]
                        counts[verdict] = counts.get(verdict, 0) + 1
                if progress is not None:
                    progress(done, len(missing), one.request.source[0])
                if cancelled is not None and cancelled():
                    break
    finally:
        folder.flush()
        folder.write_failures(failed)
    seconds = time.monotonic() - start
    return Batch(folder.path, made, len(requests) - len(missing), tuple(failed), seconds, verdicts, folder)


def _networks(requests: Sequence[Request], given: ImageClassifier | str | Path, engine: Engine) -> dict[str, ImageClassifier]:
    """By name, those that the requests ask: of code only the one that was given."""
    models: dict[str, ImageClassifier] = {}
    for name in dict.fromkeys(r.model for r in requests):
        if isinstance(given, ImageClassifier) and given.name == name:
            models[name] = given.on(engine)
        elif name.startswith("sha256:"):
            raise ValueError(f"a request is of a network made in Python, {name[:23]}...; hand it in: batch(..., model=network)")
        else:
            safe = name if name == str(given) else check_no_code(name, f"if it is yours: batch(..., model={name!r})")
            models[name] = load_classifier(safe).on(engine)
    for request in requests:
        for index in (*(request.target or ()), *(() if request.against is None else (request.against,))):
            models[request.model].class_index(index)
    return models


def _missing(folder: Folder, requests: Sequence[Request]) -> list[Request]:
    """Those without a row, among them those whose picture is another now than the row is of: that row goes."""
    contents: dict[str, str] = {}
    stale: set[str] = set()
    for request in requests:
        if (known := folder.known.get(request.key)) is None:
            continue
        source = request.source[0]
        if source not in contents:
            try:
                contents[source] = content_name(PictureFile.read(source).content)
            except (ValueError, OSError):  # the picture is gone, and its row is all that there is
                contents[source] = known.content
        if contents[source] != known.content:
            stale.add(request.key)
    folder.drop(stale)
    return [request for request in requests if request.key not in folder.known]


def _locally(models: Mapping[str, ImageClassifier], requests: Sequence[Request], settings: Settings, records: bool) -> Found:
    for together in grouped(requests, TOGETHER):
        chunk, unread = Chunk.read(together)
        yield from unread
        yield from answers(models, chunk, settings, records)


def _on_ray(models: Mapping[str, ImageClassifier], requests: Sequence[Request], settings: Settings, records: bool) -> Found:
    from pellucid.batch.cluster import on_ray  # Ray comes late

    return on_ray(models, requests, settings, records)
