"""The lab's server: Requests in, streams out. Thin: every number comes from the functions that the shell calls."""

import asyncio
import errno
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from pellucid import __version__
from pellucid.methods import methods
from pellucid.methods.filter_image import FilterImage
from pellucid.methods.filters import filters as ascent
from pellucid.metrics import metrics
from pellucid.models.image import ImageClassifier
from pellucid.models.layer_maps import responses
from pellucid.registry import UnknownName
from pellucid.server import bodies as b
from pellucid.server import exports, texts
from pellucid.server.answers import PROBLEM, PROBLEMS, problem, said
from pellucid.server.corpora import Corpora
from pellucid.server.encoded import data_url, layer_thumbnail, packed
from pellucid.server.guard import HEADERS, PATIENCE, UPLOAD_BYTES, Guard
from pellucid.server.jobs import LIBRARY, Busy, Event, Job, Jobs, Listener, events_of, whole
from pellucid.server.kept import Kept
from pellucid.server.loaded import Models, method_entry, metric_entry
from pellucid.server.page import Page
from pellucid.server.results import Results, check_writable
from pellucid.server.sources import MAX_PIXELS, Sources, observations
from pellucid.server.superpixels import hiding, unpacked
from pellucid.server.wanted import Wanted
from pellucid.server.work import Work, job_id
from pellucid.store import Record

if TYPE_CHECKING:
    from pellucid.course.storage import Course
    from pellucid.models.text import TextEncoder

T = TypeVar("T")
PING = 15.0
"""Seconds of silence after which a stream of events says that it is still there."""
FOREVER = "public, max-age=31536000, immutable"
ROOM = 32_000_000
"""Bytes of drawings, and of pictures, that are kept in memory."""
SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Nothing that is asked here is told to anybody, whatever the environment says."""
UNFINISHED: dict[int | str, dict[str, Any]] = {409: {"content": PROBLEM, "description": "Not done"}}
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
Source = Annotated[str, Path(max_length=80, description="observation:0 to observation:9, or the source of an upload.")]
ModelName = Annotated[str, Path(max_length=500)]
CorpusName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class Lab:
    """What the routes share."""

    def __init__(
        self,
        store: FilePath,
        models: "Iterable[ImageClassifier | TextEncoder]",
        queue: int,
        seconds: int | float,
        keep: int,
        static: FilePath | None,
        engine: str | None,
    ) -> None:
        for registry in (methods, metrics):  # subtle: read now, by one thread; a second one would find a registry half full
            list(registry)
        check_writable(store)
        self.models = Models(models, engine)
        self.sources = Sources(store / "uploads")
        self.results = Results(store / "results")
        self.corpora = Corpora(store / "corpora", self.models)
        self.jobs = Jobs(self.results, queue=queue, seconds=seconds, keep=keep)
        self.wanted = Wanted()
        self.work = Work(self.models, self.sources, self.corpora)
        self.page = Page() if static is None else Page(static)
        self.drawings, self.pictures = Kept(ROOM), Kept(ROOM)

    async def ask(self, question: Callable[[], T]) -> T:
        """The worker's answer, ahead of the jobs."""
        return await asyncio.wrap_future(self.jobs.ask(question))

    def close(self, patience: int | float = 1.0) -> bool:
        """Ends the worker after the batch that it is in; whether it ended in that many seconds."""
        return self.jobs.close(patience)


def make_app(
    *,
    store: str | FilePath = "pellucid-out/lab",
    models: "Iterable[ImageClassifier | TextEncoder]" = (),
    queue: int = 32,
    seconds: int | float = 600.0,
    keep: int = 256,
    token: str | None = None,
    static: str | FilePath | None = None,
    patience: int | float = PATIENCE,
    course: "Course | None" = None,
    names: Collection[str] = (),
    https: bool = False,
    engine: str | None = None,
) -> FastAPI:
    """The lab as an ASGI application; `app.state.lab.close()` ends its worker.

    Results, uploads and corpora are kept in the folder `store`, and found there again by the next one. `models` are networks of
    yours, with names, beside the catalog's. At most `queue` jobs wait, none runs longer than `seconds`, and `keep` that ended
    are known in memory. With a `token`, every request must have it, and any host name will do; without, only local ones, and
    those in `names`, which are reached by HTTPS if `https` says so. With a `course`, the lab is for its members: they log in.
    `engine` runs all classifiers of pictures (see `ImageClassifier.on`). OSError when nothing can be kept in `store`,
    ValueError for an engine that is not installed.
    """
    lab = Lab(FilePath(store), models, queue, seconds, keep, None if static is None else FilePath(static), engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(lab.close, 0.3)
        if room is not None:
            await asyncio.to_thread(room.close)

    app = FastAPI(
        title="Pellucid lab", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        lifespan=lifespan, responses=PROBLEMS, separate_input_output_schemas=False, telemetry=SILENT,
    )  # fmt: skip
    app.state.lab = lab
    room = None
    if course is not None:
        from pellucid.server.course import add_course

        room = add_course(app, course, https=https)
    guard: Any = Guard
    app.add_middleware(guard, token=token, patience=patience, names=names, https=https)
    _on_errors(app)
    for routes in (_catalog(lab), _images(lab), _jobs(lab), _exports(lab), _texts(lab), _corpora(lab)):
        app.include_router(routes, prefix="/api")
    if course is None:  # what the members of a course handed in is nobody else's to see or to remove
        app.include_router(_uploads(lab), prefix="/api")
        _no_course(app)
    _page(app, lab)
    _describe(app)
    return app


def _no_course(app: FastAPI) -> None:
    @app.get("/api/course", include_in_schema=False)
    def no_course() -> Response:
        """Nothing, which is no error: a browser would log one whenever the page is opened."""
        return Response(status_code=204)


def _describe(app: FastAPI) -> None:
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generated()
        schema["components"]["schemas"].setdefault("Problem", b.Problem.model_json_schema())
        return schema

    app.openapi = openapi  # pyright: ignore[reportAttributeAccessIssue]


# ------------------------------------------------------------------------------------------------------------------ answers


def _on_errors(app: FastAPI) -> None:
    """Errors as HTTP: what the library raises for what it was given is a 422 with its own text."""

    async def from_library(request: Request, error: Exception) -> Response:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        return problem(507 if full else 422, str(error))

    async def unknown_name(request: Request, error: Exception) -> Response:
        return problem(404 if request.method in ("GET", "DELETE") else 422, str(error))

    async def busy(request: Request, error: Exception) -> Response:
        return problem(503, str(error), {"Retry-After": "2"})

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        lines = []
        for one in error.errors()[:5]:
            place = [str(part) for part in one["loc"]]
            place = place[1:] if place[0] in ("body", "path", "query", "header") else place
            where = ".".join(place[1:] if place and place[0] in ("explain", "filters", "corpus") else place)
            lines.append(f"{where or 'the body'}: {one['msg']}")
        return problem(422, "; ".join(dict.fromkeys(lines)))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), error.headers)

    async def ours(request: Request, error: Exception) -> Response:
        return problem(500, f"the lab failed at this: {type(error).__name__}: {error}", HEADERS)

    app.add_exception_handler(Exception, ours)  # subtle: outside of the guard, so it brings its own headers
    for kind in LIBRARY:
        app.add_exception_handler(kind, from_library)
    app.add_exception_handler(UnknownName, unknown_name)
    app.add_exception_handler(Busy, busy)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


# ------------------------------------------------------------------------------------------------------------------ catalog


def _catalog(lab: Lab) -> APIRouter:
    api = APIRouter(tags=["catalog"])

    @api.get("/health", response_model=b.Health)
    async def health() -> Response:
        """That the server is there, and its version."""
        return said(b.Health, {"version": __version__, "ready": True})

    @api.get("/catalog", response_model=b.Catalog)
    def catalog() -> Response:
        """Everything that there is to choose from."""
        return said(b.Catalog, {
            "version": __version__, "models": lab.models.entries(), "methods": [method_entry(m) for m in methods.values()],
            "filters": method_entry(ascent), "metrics": [metric_entry(m) for m in metrics.values()],
            "observations": observations(),
            "limits": {
                "upload_bytes": UPLOAD_BYTES, "upload_pixels": MAX_PIXELS, "text_characters": b.TEXT,
                "jobs": lab.jobs.queue, "sources": b.SOURCES, "filters": b.FILTERS, "seconds": lab.jobs.seconds,
            },
        })  # fmt: skip

    @api.get("/models/{model:path}/labels", response_model=b.Labels)
    async def labels(model: ModelName) -> Response:
        """The classes of a classifier, by number."""
        found = await lab.ask(lambda: list(lab.models.image(model).labels))
        return said(b.Labels, {"labels": found}, headers={"Cache-Control": "private, max-age=3600"})

    @api.get("/models/{model:path}/layers", response_model=b.Layers)
    async def layers(model: ModelName) -> Response:
        """The layers of a classifier in the order of a forward pass; `shape` is that of one image's output."""
        found = await lab.ask(lambda: [dict(vars(layer)) for layer in lab.models.image(model).layers])
        return said(b.Layers, {"layers": found}, headers={"Cache-Control": "private, max-age=3600"})

    @api.get("/models/{model:path}/thumbnails", response_model=b.LayerThumbnails)
    async def thumbnails(
        model: ModelName, source: Annotated[str, Query(max_length=80, description="The picture that the layers look at.")]
    ) -> Response:
        """Where each layer that gives maps responds to a picture, in little."""
        _there(lambda: lab.sources.path(source))

        def look() -> list[dict[str, Any]]:
            network = lab.models.image(model)
            maps = responses(network, lab.sources.read(network, [source]).features)
            return [layer_thumbnail(name, one) for name, one in maps.items()]

        found = await lab.ask(look)
        return said(b.LayerThumbnails, {"thumbnails": found}, headers={"Cache-Control": "private, max-age=3600"})

    return api


# ------------------------------------------------------------------------------------------------------------------- images


def _images(lab: Lab) -> APIRouter:
    api = APIRouter(tags=["images"])
    raw = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}

    @api.post("/uploads", response_model=b.Picture, status_code=201, openapi_extra=raw)
    async def upload(request: Request, name: Annotated[str, Query(max_length=300)] = "upload") -> Response:
        """Keeps a picture: the body is the file's bytes, of any common format."""
        data = await request.body()
        return said(b.Picture, await lab.ask(partial(lab.sources.add, data, name)), 201)

    @api.get("/pictures/{source}/about", response_model=b.Picture)
    def about(source: Source) -> Response:
        """Name and size of a picture."""
        return said(b.Picture, _there(lambda: lab.sources.about(source)))

    @api.get("/pictures/{source}", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def picture(
        source: Source,
        model: Annotated[str | None, Query(max_length=500, description="Just what this model reads.")] = None,
        side: Annotated[int, Query(ge=16, le=1024, description="Of the thumbnail, at most, in pixels.")] = 256,
    ) -> Response:
        """A PNG of the picture: small, or just what a model reads."""
        _there(lambda: lab.sources.path(source))
        key = (source, model or side)
        data = lab.pictures.get(key)
        if data is None and model is not None:
            lab.models.check(model, "image")
            network = await lab.ask(partial(lab.models.image, model))
            data = lab.pictures.put(key, await asyncio.to_thread(lab.sources.seen_by, network, source))
        elif data is None:
            data = lab.pictures.put(key, await asyncio.to_thread(lab.sources.thumbnail, source, side))
        return Response(data, media_type="image/png", headers={"Cache-Control": FOREVER})

    @api.post("/predict", response_model=b.Predictions)
    async def predict(body: b.PredictBody) -> Response:
        """The likeliest classes of a picture, or of what is left of it when superpixels are hidden."""

        def answer() -> dict[str, Any]:
            model = lab.models.image(body.model)
            images = lab.sources.read(model, [body.source])
            picture = None
            if body.segments is not None:
                images = hiding(images, unpacked(body.segments, model.size), body.shown, body.hide)
                picture = data_url(images.pixels[0])
            return {"predictions": [dict(vars(one)) for one in model.predict(images, body.top)[0]], "picture": picture}

        return said(b.Predictions, await lab.ask(answer))

    return api


def _uploads(lab: Lab) -> APIRouter:
    api = APIRouter(tags=["images"])

    @api.get("/uploads", response_model=b.Uploads)
    def uploads() -> Response:
        """The pictures that were uploaded here, by this page or before it, in the order in which they came."""
        return said(b.Uploads, {"uploads": lab.sources.uploads()})

    @api.delete("/pictures/{source}", status_code=204, response_class=Response)
    async def remove(source: Source) -> Response:
        """Removes an upload from the disk; what was computed of it stays."""
        _there(lambda: lab.sources.path(source))
        await lab.ask(partial(lab.sources.remove, source))
        return Response(status_code=204)

    return api


def _there(find: Callable[[], T]) -> T:
    """What is found; 404 where it is not."""
    try:
        return find()
    except ValueError as error:
        raise HTTPException(404, str(error)) from None


# --------------------------------------------------------------------------------------------------------------------- jobs


def _jobs(lab: Lab) -> APIRouter:
    api = APIRouter(tags=["jobs"])
    jobs = lab.jobs

    def take(body: b.ExplainBody | b.FiltersBody | b.CorpusBody) -> tuple[str, Any, bool, Callable[[], bool]]:
        """Of a body that passed the checks: the job's id, its work, whether the store keeps it, and whether it still stands."""
        if isinstance(body, b.ExplainBody):
            id = job_id(body.kind, lab.work.check_explain(body))
            return id, partial(lab.work.explain, body), True, partial(lab.results.has, id)
        if isinstance(body, b.FiltersBody):
            id = job_id(body.kind, lab.work.check_filters(body))
            return id, partial(lab.work.filters, body), True, partial(lab.results.has, id)
        id = job_id(body.kind, lab.work.check_corpus(body))
        return id, partial(lab.work.corpus, body), False, lambda: body.name in lab.corpora.names()

    @api.post("/jobs", response_model=b.Submitted, status_code=201, responses={200: {"model": b.Submitted}})
    def submit(
        request: Request,
        body: b.JobBody,
        x_page: Annotated[
            str | None,
            Header(max_length=40, description="Whose page asks: once all of theirs are gone for a minute, so is the job."),
        ] = None,
    ) -> Response:
        """Starts a job: 201. One that is the same, and waits, runs or is done, is answered with 200 and not done again."""
        id, work, kept, stands = take(body)
        url = f"/api/jobs/{id}"
        if kept and jobs.get(id) is None and lab.results.has(id):
            return said(b.Submitted, {"id": id, "state": "done", "position": None, "url": url})
        job, new = jobs.submit(id, body.kind, body.model_dump(mode="json"), work, kept=kept, stands=stands, page=x_page)
        lab.wanted.add(id, _who(request), new)
        state, _, head = jobs.look(job)
        answer = {"id": id, "state": state, "position": head["position"], "url": url}
        return said(b.Submitted, answer, 201 if new else 200, {"Location": url})

    @api.get("/jobs", response_model=b.JobList)
    def every() -> Response:
        """The jobs of this run, newest first."""
        return said(b.JobList, {"jobs": jobs.heads()})

    @api.get("/jobs/{id}", response_model=b.JobAnswer)
    def answer(id: JobId) -> Response:
        """A job with its newest step, and all that was found once it is done."""
        return Response(_document(lab, id), media_type="application/json")

    @api.delete("/jobs/{id}", response_model=b.Submitted, status_code=202)
    def cancel(request: Request, id: JobId) -> Response:
        """Stops a job for everybody: at once when it waits, after the batch that it is in when it runs. One that has ended
        stays as it is; so does, in a course, one that other members asked for and did not stop."""
        job = jobs.get(id)
        if job is None:
            state, position = json.loads(_document(lab, id))["state"], None
        else:
            if lab.wanted.leave(id, _who(request)):
                jobs.cancel(job)
            state, _, head = jobs.look(job)
            position = head["position"]
        return said(b.Submitted, {"id": id, "state": state, "position": position, "url": f"/api/jobs/{id}"}, 202)

    events_doc: dict[int | str, dict[str, Any]] = {
        200: {"model": b.EventData, "description": "Events `queued`, `started`, `step`, `trust`, `firing`, `note`, and last "
              "`done`, `cancelled` or `failed`; the schema is that of their data."}
    }  # fmt: skip

    @api.get("/jobs/{id}/events", response_class=_Events, responses=events_doc)
    async def events(
        id: JobId,
        after: Annotated[int, Query(description="Only events with a higher number.")] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """What happens to a job, as server-sent events; of each kind only the newest is kept for who comes late."""
        if last_event_id is not None and re.fullmatch(r"[0-9]{1,18}", last_event_id):
            after = max(after, int(last_event_id))
        job = jobs.get(id)
        if job is None:
            await asyncio.to_thread(_document, lab, id)
        return _Events(_told(lab, id, job, after), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    return api


def _who(request: Request) -> int | None:
    """The member of the course who asks; None in a lab without one."""
    member = getattr(request.state, "member", None)
    return None if member is None else member.id


class _Events(StreamingResponse):
    media_type = "text/event-stream"


def _document(lab: Lab, id: str) -> bytes:
    """The job's JSON, from memory while it lives and from the store when it is done."""
    job = lab.jobs.get(id)
    if job is not None:
        state, events, head = lab.jobs.look(job)
        if state != "done" or not job.kept:
            return whole(head, events)
    found = lab.results.read(id)
    if found is None:
        raise HTTPException(
            404, f"no job {id!r}: it ended long ago without a result, or the server was started anew; ask again"
        )
    return found


async def _told(lab: Lab, id: str, job: Job | None, seen: int) -> AsyncIterator[bytes]:
    """Events with a higher number than `seen`, until the job has ended or the lab closes."""
    yield b"retry: 1000\n\n"
    if job is None:
        for event in await asyncio.to_thread(_kept_events, lab, id, seen):
            yield _line(event)
        return
    with lab.jobs.listening(job) as listener:
        while True:
            listener.news.clear()
            state, events, _ = lab.jobs.look(job)
            if state == "done" and job.kept:
                events = await asyncio.to_thread(_kept_events, lab, id, seen)
            for event in events:
                if event.number > seen:
                    seen = event.number
                    yield _line(event)
            if state in ("done", "cancelled", "failed") or lab.jobs.closing:
                return
            if not await _news(listener):
                yield b": ping\n\n"


async def _news(listener: Listener) -> bool:
    try:
        await asyncio.wait_for(listener.news.wait(), PING)
    except TimeoutError:
        return False
    return True


def _kept_events(lab: Lab, id: str, seen: int) -> list[Event]:
    found = lab.results.read(id)
    return [] if found is None else [event for event in events_of(found) if event.number > seen]


def _line(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.encode(), event.data)


# ------------------------------------------------------------------------------------------------------------------ exports


def _exports(lab: Lab) -> APIRouter:
    api = APIRouter(tags=["exports"], responses=UNFINISHED)

    def done(id: str) -> tuple[dict[str, Any], FilePath]:
        document = json.loads(_document(lab, id))
        if document["state"] != "done":
            raise HTTPException(409, f"the job is {document['state']}; what it found can be taken away when it is done")
        path = lab.results.record_path(id)
        if not path.is_file():
            raise HTTPException(404, f"a job of the kind {document['kind']!r} leaves no record")
        return document, path

    def attached(data: bytes, kind: str, name: str) -> Response:
        return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @api.get("/jobs/{id}/record", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
    def record(id: JobId) -> Response:
        """The record that `pellucid replay` runs again."""
        document, path = done(id)
        return attached(path.read_bytes(), "application/octet-stream", exports.file_name(document, "safetensors"))

    @api.get("/jobs/{id}/maps.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    def maps(id: JobId) -> Response:
        """The maps, one line a pixel; of filters, the curves."""
        document, path = done(id)
        filters = document["kind"] == "filters"
        data = exports.curves_csv(FilterImage.from_record(path)) if filters else exports.maps_csv(Record.from_bytes(path))
        return attached(data, "text/csv; charset=utf-8", exports.file_name(document, "csv"))

    @api.get("/jobs/{id}/scores", response_model=b.Scores)
    def scores(id: JobId, image: Annotated[int, Query(ge=0, lt=b.SOURCES)] = 0) -> Response:
        """The scores of one of the job's pictures, channel by channel."""
        document, path = done(id)
        if document["kind"] != "explain":
            raise HTTPException(404, f"a job of the kind {document['kind']!r} has no scores")
        found = Record.from_bytes(path).attribution.scores
        if image >= len(found):
            raise HTTPException(404, f"no picture {image} in this job; it has {len(found)}, from 0")
        channels, height, width = found[image].shape
        data = packed(found[image], "<f4")
        return said(b.Scores, {"channels": channels, "height": height, "width": width, "data": data})

    async def picture(id: str, suffix: str, dpi: int) -> Response:
        document, path = await asyncio.to_thread(done, id)
        data = lab.drawings.get((id, suffix, dpi))
        if data is None:

            def draw() -> bytes:
                if document["kind"] == "filters":
                    return exports.as_file(exports.drawn_filters(FilterImage.from_record(path)), suffix, dpi)
                kept = Record.from_bytes(path)
                network = lab.models.image(kept.request.model).on("torch")  # which takes every network, whatever made the map
                return exports.as_file(exports.drawn(network, kept), suffix, dpi)

            data = lab.drawings.put((id, suffix, dpi), await lab.ask(draw))
        kind = "image/png" if suffix == "png" else "image/svg+xml"
        return attached(data, kind, exports.file_name(document, suffix))

    @api.get("/jobs/{id}/picture.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def as_png(id: JobId, dpi: Annotated[int, Query(ge=50, le=300)] = 144) -> Response:
        """The library's own drawing."""
        return await picture(id, "png", dpi)

    @api.get("/jobs/{id}/picture.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
    async def as_svg(id: JobId) -> Response:
        """The library's own drawing."""
        return await picture(id, "svg", 144)

    return api


# -------------------------------------------------------------------------------------------------------------------- texts


def _texts(lab: Lab) -> APIRouter:
    api = APIRouter(prefix="/text", tags=["text"])

    async def by(answer: Callable[[Models, Any], dict[str, Any]], body: BaseModel) -> dict[str, Any]:
        for name in body.models if isinstance(body, b.LayersBody) else [getattr(body, "model", "")]:
            lab.models.check(name, "text")
        return await lab.ask(partial(answer, lab.models, body))

    @api.get("/examples", response_model=b.TextExamples)
    def examples() -> Response:
        """The worked examples that ship."""
        return said(b.TextExamples, texts.worked_examples())

    @api.post("/tokens", response_model=b.TokensAnswer)
    async def tokens(body: b.TextBody) -> Response:
        """A text as an encoder reads it."""
        return said(b.TokensAnswer, await by(texts.tokens, body))

    @api.post("/attention", response_model=b.AttentionAnswer)
    async def attention(body: b.AttentionBody) -> Response:
        """The attention of every head of a layer, and what masked tokens are taken for."""
        return said(b.AttentionAnswer, await by(texts.attention, body))

    @api.post("/attention/overview", response_model=b.OverviewAnswer)
    async def overview(body: b.OverviewBody) -> Response:
        """Every head of every layer, in little."""
        return said(b.OverviewAnswer, await by(texts.overview, body))

    @api.post("/effect", response_model=b.EffectAnswer)
    async def effect(body: b.MaskedBody) -> Response:
        """What changes when one head at a time is taken out, beside what its attention suggests."""
        return said(b.EffectAnswer, await by(texts.effect, body))

    @api.post("/token-scores", response_model=b.TokenScoresAnswer)
    async def token_scores(body: b.TokenScoresBody) -> Response:
        """How much each token speaks for what the encoder answers, and how far that can be trusted."""
        return said(b.TokenScoresAnswer, await by(texts.token_scores_of, body))

    @api.post("/answer", response_model=b.AnswerAnswer)
    async def answer(body: b.AnswerBody) -> Response:
        """The answer to a question from a passage of any length, or that it has none."""
        return said(b.AnswerAnswer, await by(texts.answers, body))

    @api.post("/layers", response_model=b.LayersAnswer)
    async def layers(body: b.LayersBody) -> Response:
        """A question and its passage moving through the layers of one or more encoders, and the measured phases."""
        return said(b.LayersAnswer, await by(texts.layers, body))

    @api.post("/compare", response_model=b.CompareAnswer)
    async def compare(body: b.CompareBody) -> Response:
        """One word's vectors across sentences, at every layer."""
        return said(b.CompareAnswer, await by(texts.comparison, body))

    return api


# ------------------------------------------------------------------------------------------------------------------ corpora


def _corpora(lab: Lab) -> APIRouter:
    api = APIRouter(prefix="/corpora", tags=["corpora"])

    @api.get("", response_model=b.Corpora)
    async def corpora() -> Response:
        """The corpora that were built here; a job of the kind `corpus` builds one."""
        return said(b.Corpora, {"corpora": await lab.ask(lab.corpora.entries)})

    @api.delete("/{name}", status_code=204, response_class=Response)
    async def remove(name: CorpusName) -> Response:
        """Removes a corpus from the disk."""
        await lab.ask(partial(lab.corpora.remove, name))
        return Response(status_code=204)

    @api.post("/{name}/search", response_model=b.SearchAnswer)
    async def search(name: CorpusName, body: b.SearchBody) -> Response:
        """The tokens that are most like one of a text, and what they have in common."""
        _there_is(lab.corpora, name)
        look = partial(
            lab.corpora.search, name, body.text, body.token, layer=body.layer, by=body.by, heads=body.heads, count=body.k
        )  # fmt: skip
        return said(b.SearchAnswer, await lab.ask(look))

    return api


def _there_is(corpora: Corpora, name: str) -> None:
    try:
        corpora.check(name)
    except UnknownName as error:
        raise HTTPException(404, str(error)) from None


# --------------------------------------------------------------------------------------------------------------------- page


def _page(app: FastAPI, lab: Lab) -> None:
    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def nothing(path: str) -> Response:
        return problem(404, f"the lab has no /api/{path[:100]}, or does not take this method there; see /api/openapi.json")

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        """A file of the page, or the page itself, which reads the rest of the address."""
        found = lab.page.file(path) if path else None
        if found is not None:
            data, kind = found
            cache = FOREVER if path.startswith("assets/") else "no-cache"
            return Response(data, media_type=kind, headers={"Cache-Control": cache})
        if path.startswith("assets/"):
            return problem(404, f"the page has no {path[:100]}")
        return Response(lab.page.index(), media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})
