"""What jobs do: explain pictures, make pictures of filters, build a corpus. All of it runs in the worker."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

from pellucid.analysis.corpus import build_corpus
from pellucid.analysis.corpus.build import shipped_texts
from pellucid.explain import explain_stream, for_contrast, record
from pellucid.methods import methods
from pellucid.methods.filter_image import FilterImage
from pellucid.methods.filter_maps import excitements, filter_maps, strongest_patches
from pellucid.methods.filters import filters as ascent
from pellucid.models.errors import first_line
from pellucid.models.image import ImageClassifier
from pellucid.registry import validated
from pellucid.server import encoded
from pellucid.server.bodies import SOURCES, CorpusBody, ExplainBody, FiltersBody
from pellucid.server.corpora import Corpora
from pellucid.server.jobs import LIBRARY, OutOfTime, Run
from pellucid.server.loaded import Models
from pellucid.server.sources import Sources, observations
from pellucid.stream import Method, bounded
from pellucid.trust import trust

SOON = 1e-6
"""Seconds where no time is left: the first answer is waited for."""
PATCHES = 6
"""Of each filter, those that excite it most."""


@final
class Work:
    """The jobs' work, and the checks that a body passes before it becomes one."""

    def __init__(self, models: Models, sources: Sources, corpora: Corpora) -> None:
        self._models, self._sources, self._corpora = models, sources, corpora

    # -------------------------------------------------------------------------------------------------------- explain

    def check_explain(self, body: ExplainBody) -> dict[str, Any]:
        """What makes the job this one and no other. Raises with the library's message for what can be known without a model."""
        request = body.request
        self._models.check(request.model, "image")
        method = methods[request.method]
        if not 1 <= len(request.source) <= SOURCES:
            raise ValueError(f"{len(request.source)} pictures; a job explains 1 to {SOURCES}")
        for source in request.source:
            self._sources.path(source)
        asked = _with_seed(method, request.options, request.seed)
        filled = self._checked(method, asked, body.preset)
        if request.against is not None:
            for_contrast(method, dict(filled))
        # subtle: a tolerance lifts the bound on the work only where it was not given, so there what was given is the question
        told = filled if body.tolerance is None else {"given": asked, "all": filled}
        return {
            **body.model_dump(mode="json"), "request": request.model_dump(mode="json", exclude={"options", "seed"}),
            "options": told, "mark": self._models.mark(request.model),
        }  # fmt: skip

    def _checked(self, method: Method[..., Any], options: Mapping[str, Any], preset: str | None) -> dict[str, Any]:
        """All the options. ValueError too for one that names a file: only pictures of the lab can be named here."""
        base = method.preset(preset).options if preset is not None else {}
        try:
            filled = validated(method.name, method.options, {**base, **options})
        except TypeError as error:  # an option that does not exist
            raise ValueError(str(error)) from None
        for name, field in method.options.model_fields.items():
            extra = field.json_schema_extra
            kind = extra.get("format") if isinstance(extra, dict) else None
            value = filled[name]
            if kind == "image" and value:
                self._sources.path(str(value))
            if kind == "labels" and value:
                raise ValueError(f"{method.name}: {name} takes a label map from Python or a shell, not from a page")
        return filled

    def explain(self, body: ExplainBody, run: Run) -> None:
        request = body.request
        model = self._models.image(request.model)
        begun = run.seconds
        images = self._sources.read(model, request.source)
        method = methods[request.method]
        options: dict[str, Any] = dict(_with_seed(method, request.options, request.seed))
        for name, value in options.items():
            extra = method.options.model_fields[name].json_schema_extra
            if value and isinstance(extra, dict) and extra.get("format") == "image":
                options[name] = self._sources.as_option(model, str(value))
        # subtle: all targets from the start, since a page names them below pictures that wait for their turn
        target = model.targets(images, request.target)
        left = run.left if body.deadline is None else min(body.deadline - (run.seconds - begun), run.left)
        answers = explain_stream(
            model, images, method=request.method, target=target, against=request.against, preset=body.preset,
            tolerance=body.tolerance, deadline=max(left, SOON), **options,
        )  # fmt: skip
        last = None
        try:
            for last in answers:
                run.step(partial(encoded.explain_step, model, images, last, run.seconds))
                run.check()
        finally:
            answers.close()
        run.flush()
        assert last is not None
        evidence: list[dict[str, Any]] = []
        if body.trust:
            try:
                found = trust(model, images, last, progress=lambda share: run.check_time())
                evidence = [one.to_json() for one in found.evidence]
                run.say("trust", {"evidence": encoded.finite(evidence)})
            except (*LIBRARY, OutOfTime, RuntimeError) as error:  # the map is there all the same
                run.note(f"no evidence was gathered: {first_line(error)}")
        run.record = replace(record(model, images, last), evidence=tuple(evidence)).to_bytes()

    # -------------------------------------------------------------------------------------------------------- filters

    def check_filters(self, body: FiltersBody) -> dict[str, Any]:
        self._models.check(body.model, "image")
        filled = self._checked(ascent, body.options, body.preset)
        if filled["start"] == "images" and body.on is None:
            raise ValueError("filters: start='images' needs a picture to start from; give it as `on`, or start='noise'")
        if body.on is not None:
            self._sources.path(body.on)
        return {**body.model_dump(mode="json"), "options": filled, "mark": self._models.mark(body.model)}

    def filters(self, body: FiltersBody, run: Run) -> None:
        model = self._models.image(body.model)
        preset = ascent.preset(body.preset) if body.preset is not None else None
        options: dict[str, Any] = {**(preset.options if preset else {}), **body.options}
        view = dict(preset.view) if preset else {}
        on = None if body.on is None else self._sources.read(model, [body.on])
        start = on if options.get("start") == "images" else None
        chosen = list(dict.fromkeys(body.filters))
        steps = bounded(ascent.stream(model, body.layer, chosen, start, **options), deadline=run.left)
        last: FilterImage | None = None
        try:
            for step in steps:
                last = replace(step, view=view)
                run.step(partial(encoded.filters_step, last, run.seconds))
                run.check()
        finally:
            steps.close()
        run.flush()
        assert last is not None
        if body.on is not None:
            self._fire(model, body.on, body.layer, chosen, last, run)
        run.record = last.to_record()

    def _fire(self, model: ImageClassifier, on: str, layer: str, chosen: list[int], made: FilterImage, run: Run) -> None:
        others = [one["source"] for one in observations() if one["source"] != on]
        images = self._sources.read(model, [on, *others])
        maps = filter_maps(model, images[0], layer, chosen)
        run.check()
        patches = strongest_patches(model, images, layer, chosen, PATCHES)
        run.check()
        run.say("firing", encoded.firing(maps, patches, [on, *others], *excitements(model, made, images)))

    # --------------------------------------------------------------------------------------------------------- corpus

    def check_corpus(self, body: CorpusBody) -> dict[str, Any]:
        self._models.check(body.model, "text")
        if body.shipped == (body.text is not None):
            raise ValueError("give the text of the corpus, or shipped: true for the text that comes along; one of the two")
        return {**body.model_dump(mode="json"), "mark": self._models.mark(body.model)}

    def corpus(self, body: CorpusBody, run: Run) -> None:
        encoder = self._models.encoder(body.model)
        text: list[str | Path] = [*shipped_texts()] if body.text is None else [body.text]

        def tell(share: float, what: str) -> None:
            run.step(lambda: {"step": run.steps, "fraction": share, "seconds": round(run.seconds, 3), "what": what})
            run.check_time()

        with self._corpora.by_name(body.name):
            build_corpus(
                encoder, text, self._corpora.new(body.name), layers=body.layers, heads=body.heads,
                limit_characters=body.limit_characters, progress=tell,
            )  # fmt: skip
        run.flush()


def job_id(kind: str, question: Mapping[str, Any]) -> str:
    """The same for equal questions to this version."""
    text = json.dumps([kind, question, version("pellucid")], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _with_seed(method: Method[..., Any], options: Mapping[str, Any], seed: int | None) -> dict[str, Any]:
    if seed is None:
        given = dict(options)
    elif "seed" not in method.options.model_fields:
        raise ValueError(f"{method.name} has no seed: it repeats as it is")
    else:
        given = {**options, "seed": seed}
    chosen = given.get("seed", 0)
    if isinstance(chosen, int) and chosen >= 2**63:
        raise ValueError(f"seed={chosen} is too large; it is below 2**63")
    return given
