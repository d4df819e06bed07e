"""`batch`: many pictures by several methods, as rows of Parquet; what is there already is not made again."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import pyarrow as pa

from pellucid.batch.folder import Folder
from pellucid.batch.networks import Network, networks
from pellucid.batch.pictures import content_of_file
from pellucid.batch.plan import TOGETHER, Settings, Source, grouped, requested
from pellucid.batch.rows import Answered
from pellucid.batch.work import Chunk, Failure, answers
from pellucid.inputs.photograph import PictureFile
from pellucid.models.image import Engine, ImageClassifier
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
    sources: Source | Iterable[Source],
    out: str | Path,
    *,
    methods: str | Sequence[str] = (),
    model: Network | str | Path = "imagenet",
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
    """Each picture or text explained by each of the methods, with the evidence on it, as rows of Parquet files in `out`.

    `sources` are pictures, folders of pictures and observations; of an encoder texts, pairs of a question and its context, and
    files of texts (.txt, a line each; .csv or .tsv, whose column `context` is a context); or requests (`Request`), which say
    themselves of which model, method and options they are. `options` are by method; those for text are the methods of
    `token_scores`. A row has the map, what it is of and all that makes it again; `pellucid.batch.rows.COLUMNS` says what each
    column holds. A request whose row is in `out` is not answered again, unless
    its picture has changed, in which case the old row goes: a run that ended early goes on where it was, and a process that is
    killed loses at most the last thirty seconds, or the picture it was at. What fails is told in the answer and in
    `out/_failed.jsonl` and tried again by the next run, and the rest goes on. `limit` takes so many pictures, texts or
    requests, and no more. With `records` every row has a record, `out/_records/KEY.safetensors`, for `replay` and `measure`.

    `engine="ray"` hands a few of them at a time to the tasks of a Ray cluster, a processor each (pip install 'pellucid[ray]'):
    the one that this process is connected to or that RAY_ADDRESS names, else one of its own on this machine. Networks and
    pictures' files are sent there; a network that Python code makes (FILE.py:NAME) is made there, from the same file. A task
    whose process dies is tried twice more, then its pictures or texts one by one. Rows are those of `engine="local"` up to
    rounding.

    Of the other arguments see `explain`; `deadline` is for each picture and method, `network_engine` is what runs the networks'
    passes (`model.on`). `progress` is told how many requests are done, of how many, and of what the last was; `cancelled` is
    asked after each. ValueError for a folder whose rows are of other weights, limits, engine or evidence, for no sources,
    for what pictures alone have, and for a wrong question, which is one of every picture.
    """
    start = time.monotonic()
    if engine not in ("local", "ray"):
        raise ValueError(f"no engine named {engine!r} for a batch; known: local, ray. Of the network's, see network_engine")
    named = [sources] if isinstance(sources, str | Path | Request) else list(sources)
    models = networks(named, model, network_engine)
    requests = requested(
        named, models, methods=methods, options=options, target=target, against=against, preset=preset, tolerance=tolerance,
        limit=limit,
    )  # fmt: skip
    engines: set[Engine] = {network.engine for network in models.values() if isinstance(network, ImageClassifier)}
    if not engines and (tolerance is not None or deadline is not None or records):
        raise ValueError("tolerance, deadline and records are for pictures; the scores of a text's tokens come in one go")
    settings = Settings(engines.pop() if len(engines) == 1 else "torch", tolerance, deadline, trust)
    for network in models.values():
        network.check_mode()
    folder = Folder(Path(out), settings)
    folder.check_weights({name: network.fingerprint for name, network in models.items()})
    missing = _missing(folder, requests, models)
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


def _missing(folder: Folder, requests: Sequence[Request], models: Mapping[str, Network]) -> list[Request]:
    """Those without a row, among them those whose picture is another now than the row is of: that row goes."""
    contents: dict[str, str] = {}
    stale: set[str] = set()
    for request in requests:
        known = folder.known.get(request.key)
        if known is None or not isinstance(models[request.model], ImageClassifier):
            continue
        source = request.source[0]
        if source not in contents:
            try:
                contents[source] = content_of_file(PictureFile.read(source).content)
            except (ValueError, OSError):  # the picture is gone, and its row is all that there is
                contents[source] = known.content
        if contents[source] != known.content:
            stale.add(request.key)
    folder.drop(stale)
    return [request for request in requests if request.key not in folder.known]


def _locally(models: Mapping[str, Network], requests: Sequence[Request], settings: Settings, records: bool) -> Found:
    for together in grouped(requests, TOGETHER):
        chunk, unread = Chunk.read(together, models)
        yield from unread
        yield from answers(models, chunk, settings, records)


def _on_ray(models: Mapping[str, Network], requests: Sequence[Request], settings: Settings, records: bool) -> Found:
    from pellucid.batch.cluster import on_ray  # Ray comes late

    return on_ray(models, requests, settings, records)
