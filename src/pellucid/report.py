"""The report: pictures explained by all five approaches and two controls, as one HTML file that opens unplugged."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from pellucid.attribution import Attribution
from pellucid.evidence import Trust
from pellucid.explain import explain, record
from pellucid.inputs.image import Images
from pellucid.inputs.photograph import expand, photographs
from pellucid.methods.filter_maps import filter_maps
from pellucid.methods.filters import filters
from pellucid.models.cards import card
from pellucid.models.image import ImageClassifier
from pellucid.models.load import catalog, load_classifier
from pellucid.pictures.images import columns, map_rows
from pellucid.render.numbers import number
from pellucid.render.page import Cite, Grid, Observation, Report, Section, Table, page
from pellucid.render.rows import Column, Row, overlay_row, photograph_row
from pellucid.store import environment, write_whole
from pellucid.stream import drain
from pellucid.trust import trust

MOST = 30
"""Pictures in one report; a page of more would take minutes to open."""
FILTERS = 4
"""Filters of a layer that are synthesised."""
STEPS = 64
"""Steps of their ascent; at 64 the pattern is clear, though the activation still rises."""

EVIDENCE = 1.6
"""About how many seconds the evidence on a map takes, in relation to the others: for the progress bar only."""

Progress = Callable[[float, str], None]


@final
@dataclass(frozen=True)
class Written:
    """Where the report is, and which pictures could not be read."""

    path: Path
    records: tuple[Path, ...]
    failed: Mapping[str, str] = field(default_factory=dict)


@cache
def approaches() -> dict[str, Any]:
    """`approach`, a list in order, and `filters`: titles, papers, texts and the report's options."""
    return tomllib.loads((files("pellucid") / "data" / "approaches.toml").read_text(encoding="utf-8"))


def write_report(
    model: ImageClassifier | str,
    sources: Sequence[str | Path],
    folder: str | Path,
    *,
    layers: Sequence[str] = (),
    filter_count: int = FILTERS,
    text: bool = False,
    progress: Progress = lambda done, text: None,
) -> Written:
    """Explain the pictures and write `report.html` and one record per approach into the folder.

    Each picture is explained for its predicted class. Filters are synthesised for `layers`, by default three from the first to
    the last third of the network. A picture that cannot be read is named in the report and left out. With `text` the report has
    a second half: attention, hidden states, words and corpus of the shipped encoders on worked examples. `progress` is told the
    share of the work that is done, and what is being done.
    """
    model = model if isinstance(model, ImageClassifier) else load_classifier(model)
    names = list(expand(sources))
    if len(names) > MOST:
        raise ValueError(f"{len(names)} pictures; a report shows at most {MOST}. `pellucid explain` has no such limit")
    images, failed = _readable(model, names)
    folder = Path(folder)
    layers = list(layers) or default_layers(model)
    sections: list[Section] = []
    overview: list[Row] = []
    records: list[Path] = []
    costs = {a["id"]: (_cost(a) + EVIDENCE) * len(images) for a in approaches()["approach"]} | {"filters": 12.0 * len(layers)}
    plan = Plan(progress, costs | (text_costs() if text else {}))
    heads = None
    for approach in approaches()["approach"]:
        place = folder / "records" / f"{approach['id']}.safetensors"
        a, evidence = _explained(model, images, approach, plan, place)
        heads = heads or tuple(columns(model, images, a))
        rows = map_rows(a, images, approach["title"], evidence)
        overview.append(rows[-1])
        sections.append(_section(approach, Grid(heads, (photograph_row(images.pixels), *rows)), _option_table(a)))
        records.append(place)
    sections.insert(_after(sections, "smoothgrad"), _filter_section(model, images, layers, filter_count, plan))
    assert heads is not None
    links = tuple(section.id for section in sections if section.id != "filters")
    everything = Grid(heads, (photograph_row(images.pixels), *overview), links=("photographs", *links), thumbnail=112)
    side = Section(
        "overview", "Side by side", what=("Every image by every approach. Each row is a section below.",), blocks=(everything,)
    )
    if text:
        from pellucid.report_text import text_sections

        sections += text_sections(plan.part)
    html = page(
        Report(
            title=f"Why {model.called} answered as it did",
            summary=_summary(model, images, failed, text),
            sections=(side, *sections),
            observations=tuple(_observations(model, images)),
            model=_card(model),
            made={"made": datetime.now().astimezone().isoformat(timespec="seconds"), **environment()},
        )
    )
    path = write_whole(folder / "report.html", html.encode())
    plan.finish()
    return Written(path, tuple(records), failed)


@final
class Plan:
    """How far along the whole is, from what each part costs."""

    def __init__(self, progress: Progress, costs: Mapping[str, float]) -> None:
        self._progress, self._costs = progress, costs
        self._done = 0.0

    def part(self, name: str, title: str) -> Callable[[float], None]:
        """Tells how far along this part is; at 1 it is done."""
        share = self._costs[name] / sum(self._costs.values())

        def advance(fraction: float) -> None:
            self._progress(min(1.0, self._done + share * fraction), title)
            if fraction >= 1:
                self._done += share

        advance(0.0)
        return advance

    def finish(self) -> None:
        self._progress(1.0, "report written")


def text_costs() -> dict[str, float]:
    from pellucid.report_text import COSTS

    return COSTS


def default_layers(model: ImageClassifier) -> list[str]:
    """Three convolutions, a sixth, a half and five sixths of the way through the network, each run once a pass."""
    found = [x.name for x in model.layers if "Conv" in x.kind and len(x.shape) == 3 and x.calls == 1 and min(x.shape[1:]) > 1]
    return list(dict.fromkeys(found[int(len(found) * share)] for share in (1 / 6, 1 / 2, 5 / 6))) if found else []


def _readable(model: ImageClassifier, names: Sequence[str]) -> tuple[Images, dict[str, str]]:
    good, failed = [], {}
    for name in names:
        try:
            model.read(name)
            good.append(name)
        except (ValueError, OSError) as error:
            failed[name] = str(error)
    if not good:
        raise ValueError(f"none of the {len(names)} pictures can be read: {next(iter(failed.values()), 'none was named')}")
    return model.read(good), failed


def _cost(approach: Mapping[str, Any]) -> float:
    """About how many seconds an image takes, in relation to the others: for the progress bar only."""
    options = approach["options"]
    forwards = options.get("samples", 0) if approach["method"] == "lime" else 0
    gradients = options.get("steps", 0) + options.get("refinements", 0)
    gradients += options.get("samples", 0) if approach["method"] == "smoothgrad" else 0
    return 0.1 + 0.013 * forwards + 0.035 * gradients


def _explained(
    model: ImageClassifier, images: Images, approach: Mapping[str, Any], plan: Plan, path: Path
) -> tuple[Attribution, Trust]:
    """The maps, and the evidence on them for a third of what they cost, or what it costs at least; their record is written.

    Once before the evidence is asked for, so that they are not lost where that fails.
    """
    advance = plan.part(approach["id"], approach["title"])
    own = _cost(approach) / (_cost(approach) + EVIDENCE)
    a = explain(
        model, images, method=approach["method"], progress=lambda step: advance(own * step.work.fraction), **approach["options"]
    )
    a = replace(a, view=approach.get("view", {}))
    kept = record(model, images, a)
    kept.write(path)
    evidence = trust(model, images, a, budget=0.3, progress=lambda share: advance(own + (1 - own) * share))
    replace(kept, evidence=tuple(e.to_json() for e in evidence.evidence)).write(path)
    return a, evidence


def _section(approach: Mapping[str, Any], grid: Grid, options: Table | None) -> Section:
    return Section(
        approach["id"],
        approach["title"],
        what=tuple(approach["what"]),
        reading=tuple(approach["reading"]),
        cite=Cite(approach["cite"], approach["address"]),
        blocks=(grid,),
        options=options,
    )


def _option_table(a: Attribution) -> Table | None:
    rows = tuple((name, "none" if value == "" else str(value)) for name, value in a.options.items())
    return Table(("option", "value"), rows) if rows else None


def _after(sections: Sequence[Section], wanted: str) -> int:
    return next(i for i, section in enumerate(sections) if section.id == wanted) + 1


def _filter_section(model: ImageClassifier, images: Images, layers: Sequence[str], count: int, plan: Plan) -> Section:
    """For each layer: the synthesised pictures in one grid, and where the first of its filters fires on the photographs."""
    advance = plan.part("filters", approaches()["filters"]["title"])
    shapes = {layer.name: layer.shape for layer in model.layers}
    blocks: list[Grid] = []
    heads = tuple(columns(model, images))
    options: Mapping[str, Any] = {}
    for n, layer in enumerate(layers):
        wanted = list(range(min(count, shapes[layer][0])))
        last = drain(
            filters.stream(model, layer, wanted, steps=STEPS),
            lambda so_far, n=n: advance((n + so_far.work.fraction * 0.95) / len(layers)),
        )
        options = last.options
        titles = [f"filter {f}{' (silent)' if dead else ''}" for f, dead in zip(wanted, last.dead.tolist(), strict=True)]
        rises = [
            f"{number(float(s))} to {number(float(e))}" for s, e in zip(last.start_objective, last.final_objective, strict=True)
        ]
        row = Row(
            layer, tuple(last.images.numpy()), tuple(f"activation {r}" for r in rises), note=f"{shapes[layer][0]} filters"
        )
        blocks.append(
            Grid(
                tuple(map(Column, titles)), (row,), caption=f"Layer {layer}: pictures made for filters 0 to {len(wanted) - 1}."
            )
        )
        maps = filter_maps(model, images, layer, wanted[0])
        where = overlay_row(
            "where it fires", maps.upsampled()[:, 0], images.pixels, "activation", shared=True, signs=("above zero", "below")
        )
        caption = f"Layer {layer}, filter {wanted[0]}: where it fires on the photographs, on one scale."
        blocks.append(Grid(heads, (where,), caption=caption))
    advance(1.0)
    text = approaches()["filters"]
    return Section(
        text["id"],
        text["title"],
        what=tuple(text["what"]),
        reading=tuple(text["reading"]),
        cite=Cite(text["cite"], text["address"]),
        blocks=tuple(blocks),
        options=Table(("option", "value"), tuple((k, str(v)) for k, v in options.items())),
    )


def _observations(model: ImageClassifier, images: Images) -> Iterator[Observation]:
    credits = {row["file"]: f"{row['author']}, {row['licence']}" for row in photographs()}
    shipped = {row["file"] for row in photographs()}
    for pixels, head, answers in zip(images.pixels.numpy(), columns(model, images), model.predict(images), strict=True):
        top = tuple((p.label, p.probability) for p in answers)
        yield Observation(pixels, head, top, credits[head.name] if head.name in shipped else "")


def _summary(model: ImageClassifier, images: Images, failed: Mapping[str, str], text: bool) -> tuple[str, ...]:
    counted = f"{len(images)} picture{'s' if len(images) > 1 else ''}"
    said = [
        f"{counted} explained by LIME, saliency, SmoothGrad, filter visualization and integrated gradients, each for the class "
        f"that {model.called} predicts, beside Grad-CAM and two controls that must look wrong.",
        "Every number comes from the network itself, and colours are spread as each legend says.",
    ]
    if text:
        said.append(
            "The second half looks into text encoders: masked words, answers, attention, hidden states by layer, one word "
            "in many sentences, and a corpus searched by meaning."
        )
    if failed:
        said.append("Left out: " + "; ".join(failed.values()))
    return tuple(said)


def _card(model: ImageClassifier) -> dict[str, str]:
    about = {
        "classes": str(len(model.labels)),
        "reads": f"{model.size[0]} x {model.size[1]} px",
        "weights": model.fingerprint[:16],
    }
    if model.engine != "torch":
        about["engine"] = f"{model.engine}, where it takes the network and many passes are asked; torch for all else"
    if model.name in catalog()["models"]:
        entry = catalog()["models"][model.name]
        about = {"model": entry["description"], "licence": entry.get("licence", ""), **about}
        about["card"] = card(model.name).split("\n\n")[1].replace("\n", " ").replace("`", "")
    return {key: value for key, value in about.items() if value}
