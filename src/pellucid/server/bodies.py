"""Every body and answer of the lab: OpenAPI, and the front end's types, are made from these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pellucid.analysis.anisotropy import Correction
from pellucid.analysis.projection import Basis
from pellucid.analysis.similarity import Metric
from pellucid.analysis.token_scores import Baseline, TokenMethod
from pellucid.inputs.perturb import Hide
from pellucid.inputs.text import Role
from pellucid.registry import OptionValue
from pellucid.request import Request
from pellucid.server.jobs import State

TEXT = 20_000
"""Characters of a text, at most; of a corpus the body's own bound counts."""
SOURCES, FILTERS, SENTENCES = 16, 32, 64
"""At most, in one job or question."""


class Body(BaseModel):
    """What is sent to the lab: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Said(BaseModel):
    """What the lab answers. A number that is not finite is null."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class Problem(Said):
    """Why a request was refused, in the words of the library."""

    detail: str


Number = float | None
"""Null where it is not finite."""
Text = Annotated[str, Field(max_length=TEXT)]
Sentence = Annotated[str, Field(max_length=1000)]
"""Many are read at once, and what is kept of each grows with its length squared."""
Heads = Annotated[tuple[Annotated[int, Field(ge=0, le=1000)], ...], Field(max_length=1000)]
Layer = Annotated[int, Field(ge=-1000, le=1000)]
Places = Annotated[tuple[Annotated[int, Field(ge=0, le=TEXT)], ...], Field(max_length=512)]

# ---------------------------------------------------------------------------------------------------------------- catalog


class Health(Said):
    version: str
    ready: Literal[True] = True


class ModelEntry(Said):
    name: str
    kind: Literal["image", "text"]
    summary: str
    ready: bool
    why_not: str | None = Field(default=None, description="What lacks, when it is not ready.")
    size: tuple[int, int] | None = Field(default=None, description="Height and width that a classifier reads.")
    classes: int | None = None
    unanswered: list[str] = Field(default=[], description="Labels that a classifier cannot answer.")
    layers: int | None = None
    heads: int | None = None
    heads_for: list[Literal["question_answering", "masked_words", "classification", "regression"]] = []
    labels: list[str] = Field(default=[], description="Classes of a classifier of texts, or what the numbers are called.")
    architecture: str | None = None


class PresetEntry(Said):
    options: dict[str, OptionValue]
    view: dict[str, OptionValue]
    description: str


class MethodEntry(Said):
    name: str
    summary: str
    paper: str | None
    options: dict[str, Any] = Field(description="JSON schema of the options.")
    presets: dict[str, PresetEntry]


class MetricEntry(Said):
    name: str
    summary: str
    paper: str | None
    higher_is_better: bool | None
    unit: str


class ObservationEntry(Said):
    source: str
    name: str
    title: str


class Limits(Said):
    upload_bytes: int
    upload_pixels: int
    text_characters: int
    jobs: int = Field(description="That may wait.")
    sources: int
    filters: int
    seconds: float = Field(description="That a job may run.")


class Catalog(Said):
    version: str
    models: list[ModelEntry]
    methods: list[MethodEntry]
    filters: MethodEntry
    metrics: list[MetricEntry]
    observations: list[ObservationEntry]
    limits: Limits


class Labels(Said):
    labels: list[str]


class LayerEntry(Said):
    name: str
    kind: str
    shape: list[int]
    calls: int


class LayerThumbnail(Said):
    """The mean magnitude of the layer's filters at each place, between its least and its most."""

    layer: str
    height: int
    width: int
    data: str = Field(description="uint8 in base64, row by row: 0 the layer's least, 255 its most.")


class LayerThumbnails(Said):
    thumbnails: list[LayerThumbnail]


class Layers(Said):
    layers: list[LayerEntry]


class Picture(Said):
    source: str
    name: str
    width: int
    height: int
    notes: list[str] = Field(default=[], description="How it was changed so that it could be read.")


class Uploads(Said):
    uploads: list[Picture]


class PredictBody(Body):
    model: str
    source: str
    top: int = Field(default=5, ge=1, le=1000)
    segments: str | None = Field(
        default=None, max_length=1_000_000, description="Superpixels, as an explanation by LIME tells them: base64 of int32."
    )
    shown: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=10_000)] = ()
    """The superpixels that are not hidden; without `segments` none is."""
    hide: Hide = "mean"


class PredictionEntry(Said):
    index: int
    label: str
    probability: float
    logit: float


class Predictions(Said):
    predictions: list[PredictionEntry]
    picture: str | None = None
    """With superpixels hidden: what the network was shown, as a PNG in a data URL."""


class Scores(Said):
    """The scores of a picture, raw and signed, before any reduction over channels."""

    channels: int
    height: int
    width: int
    data: str
    """Base64 of little-endian float32: channel by channel, row by row."""


# ------------------------------------------------------------------------------------------------------------------- jobs


class ExplainBody(Body):
    kind: Literal["explain"]
    request: Request
    preset: str | None = None
    tolerance: float | None = Field(default=None, gt=0)
    deadline: float | None = Field(default=None, gt=0, description="Seconds, reading and predicting included.")
    trust: bool = True


class FiltersBody(Body):
    kind: Literal["filters"]
    model: str
    layer: str
    filters: Annotated[tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...], Field(min_length=1, max_length=FILTERS)]
    options: dict[str, OptionValue] = {}
    preset: str | None = None
    on: str | None = Field(default=None, description="A picture to show where the filters fire on.")


class CorpusBody(Body):
    kind: Literal["corpus"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    model: str
    text: str | None = None
    shipped: bool = Field(default=False, description="The text that comes with the package, instead of one.")
    layers: tuple[Annotated[int, Field(ge=0, le=1000)], ...] | None = Field(default=None, max_length=200)
    heads: bool = True
    limit_characters: int | None = Field(default=None, ge=1, le=100_000_000)


JobBody = Annotated[ExplainBody | FiltersBody | CorpusBody, Field(discriminator="kind")]


class Submitted(Said):
    id: str
    state: State
    position: int | None
    url: str


class WorkDone(Said):
    forwards: int
    backwards: int
    fraction: float


class Map(Said):
    """One image's map: float32, little-endian, row by row, in base64; raw and signed."""

    name: str
    source: str
    height: int
    width: int
    data: str
    low: Number
    high: Number


class Extras(Said):
    """What only one method gives: LIME's superpixels, and numbers or short lists by name."""

    model_config = ConfigDict(extra="allow")

    segments: list[str] | None = Field(default=None, description="Per image: int32, little-endian, row by row, in base64.")
    segment_weights: list[list[Number]] | None = None
    segment_errors: list[list[Number]] | None = None
    baselines: list[str] | None = Field(default=None, description="Per image: a data URL of a PNG.")


class ExplainStep(Said):
    step: int
    fraction: float
    seconds: float
    work: WorkDone
    error: list[Number]
    error_name: str
    unit: str
    signed: bool
    reduction: str
    scale: Literal["symmetric", "magnitude", "minmax"]
    target: list[int]
    labels: list[str]
    against: int | None
    method: str
    options: dict[str, OptionValue]
    view: dict[str, OptionValue]
    notes: dict[str, str]
    maps: list[Map]
    extras: Extras


class Curves(Said):
    points: list[int]
    values: list[list[Number]]


class FiltersStep(Said):
    step: int
    fraction: float
    seconds: float
    layer: str
    filters: list[int]
    objectives: list[Number]
    curves: Curves
    error: list[Number]
    dead: list[bool]
    starts: list[str]
    images: list[str]


class CorpusStep(Said):
    step: int
    fraction: float
    seconds: float
    what: str


class IntervalEntry(Said):
    value: Number
    low: Number
    high: Number


class EvidenceEntry(Said):
    verdict: str
    sentence: str
    advice: str
    error: Number
    error_name: str
    seeds: Number
    advantage: IntervalEntry
    worth: Number
    randomised: Number
    order: Number
    cost: WorkDone


class FilterMap(Said):
    filter: int
    height: int
    width: int
    data: str
    low: Number
    high: Number
    peak: Number


class PatchEntry(Said):
    source: str
    name: str
    value: Number
    box: tuple[int, int, int, int]
    image: str


class Excitement(Said):
    raised: Number = Field(description="What ascent raised: the mean of the filter's map, or its centre.")
    peak: Number = Field(description="At the map's strongest place.")


class Firing(Said):
    source: str
    name: str
    maps: list[FilterMap]
    patches: list[list[PatchEntry]]
    made: list[Excitement] = Field(default=[], description="The made pictures, their values cut off at black and white.")
    photographs: list[Excitement] = Field(default=[], description="The most of any photograph, of each measure by itself.")
    beats_images: list[bool]


class JobHead(Said):
    id: str
    kind: Literal["explain", "filters", "corpus"]
    body: JobBody
    state: State
    position: int | None
    steps: int
    seconds: float
    created: float
    error: str | None = None
    notes: list[str] = []


class JobList(Said):
    jobs: list[JobHead]


class JobAnswer(JobHead):
    numbers: dict[str, int] | None = Field(default=None, description="Of a job that is done: its events' numbers by kind.")
    result: ExplainStep | FiltersStep | CorpusStep | None = None
    trust: list[EvidenceEntry] | None = None
    firing: Firing | None = None


class QueuedEvent(Said):
    position: int


class StartedEvent(Said):
    pass


class TrustEvent(Said):
    evidence: list[EvidenceEntry]


class NoteEvent(Said):
    text: str


class DoneEvent(Said):
    record: str | None


class CancelledEvent(Said):
    detail: str | None = Field(default=None, description="Why, where nobody cancelled it.")


class FailedEvent(Said):
    detail: str


EventData = (
    ExplainStep | FiltersStep | CorpusStep | TrustEvent | Firing | NoteEvent | QueuedEvent | StartedEvent | DoneEvent
    | CancelledEvent | FailedEvent
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------------------- text


class TextBody(Body):
    model: str
    text: Text
    pair: Text | None = None


class MaskedBody(TextBody):
    masked: Places = ()


class AttentionBody(MaskedBody):
    layer: Layer = Field(description="From 1; -1 is the last.")
    by_word: bool = False


class OverviewBody(MaskedBody):
    by_word: bool = False


class TokenEntry(Said):
    index: int
    text: str = Field(description="As it stands in the text; a special token as the vocabulary spells it.")
    piece: str
    start: int
    end: int
    word: int
    role: Role
    part: int = Field(description="Which of the texts: 0, 1, or -1 for special tokens.")
    masked: bool


class TokensAnswer(Said):
    tokens: list[TokenEntry]
    text: str
    pair: str | None
    limit: int = Field(description="Tokens that the encoder reads at once.")
    notes: list[str]


class HeadEntry(Said):
    head: int
    entropy: Number
    distance: Number
    next: Number
    previous: Number
    same: Number
    special: Number


class GuessEntry(Said):
    word: str
    probability: float


class BlankEntry(Said):
    token: int
    top: list[GuessEntry]


class AttentionAnswer(Said):
    layers: int
    heads: int
    layer: int
    tokens: list[TokenEntry]
    attention: str = Field(description="float32, little-endian, in base64: head query key.")
    statistics: list[HeadEntry]
    predictions: list[BlankEntry]
    notes: list[str]


class HeadStatisticsEntry(Said):
    """Each layer by head."""

    entropy: list[list[Number]]
    distance: list[list[Number]]
    next: list[list[Number]]
    previous: list[list[Number]]
    same: list[list[Number]]
    special: list[list[Number]]


class OverviewAnswer(Said):
    layers: int
    heads: int
    tokens: list[TokenEntry]
    thumbnails: str = Field(description="uint8 in base64, weights 0 to 1 as 0 to 255: layer head query key.")
    statistics: HeadStatisticsEntry
    notes: list[str]


class ChoiceEntry(Said):
    token: int
    text: str
    probability: float


class EffectAnswer(Said):
    task: Literal["question_answering", "masked_words", "classification"]
    effect: list[list[Number]]
    unit: str
    attention: list[list[Number]]
    drop: list[list[Number]]
    spearman: Number
    choices: list[ChoiceEntry]
    layers: list[int]
    heads: list[int]
    passes: int
    notes: list[str]


class TokenScoresBody(MaskedBody):
    methods: Annotated[tuple[TokenMethod, ...], Field(min_length=1, max_length=7)] = ("erasure",)
    target: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None,
        description="Words of the passage, a word for the masked place, a class or number; by default what the model answers.",
    )
    by_word: bool = False
    baseline: Baseline | None = Field(default=None, description="Where gradients begin; by default what each method takes.")
    steps: int = Field(default=32, ge=1, le=256, description="Of integrated gradients.")
    samples: int = Field(default=1000, ge=10, le=100_000, description="Of Kernel SHAP, at most.")
    evidence: bool = True
    budget: float = Field(default=1.0, gt=0, le=100, description="What the evidence may cost: a multiple of the scores.")
    seed: int = Field(default=0, ge=0, lt=2**63)


class TokenMethodEntry(Said):
    method: TokenMethod
    options: dict[str, OptionValue]
    unit: str
    signed: bool
    scores: list[Number] = Field(
        description="Null for what no score is of: special tokens, and those the network is not shown."
    )
    error: Number
    error_name: str
    work: WorkDone
    trust: EvidenceEntry | None
    about: str | None = Field(description="The evidence in a sentence or two, with its numbers.")


class TokenScoresAnswer(Said):
    task: Literal["question_answering", "masked_words", "classification", "regression"]
    target: str = Field(description="In words.")
    places: list[int] = Field(description="The tokens that are asked about: those of the answer, or the masked one.")
    value: Number
    value_unit: str
    by_word: bool
    tokens: list[TokenEntry]
    methods: list[TokenMethodEntry]
    notes: list[str]


class AnswerBody(Body):
    model: str
    question: Text
    passage: Text
    top: int = Field(default=3, ge=1, le=20)


class SpanEntry(Said):
    text: str
    start: int
    end: int
    score: float
    probability: float


class AnswerAnswer(Said):
    answered: bool
    answer: str
    answers: list[SpanEntry]
    null_score: float
    null_probability: float
    threshold: float
    windows: int
    notes: list[str]


class LayersBody(Body):
    models: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)]
    question: Text | None = None
    passage: Text | None = None
    example: str | None = Field(default=None, description="A worked example, instead of question and passage.")
    basis: Basis = "layer"
    components: int = Field(
        default=3, ge=2, le=3, description="Of each picture: alignment and trustworthiness are those of this many."
    )
    samples: int = Field(default=1000, ge=1, le=2000)
    seed: int = Field(default=0, ge=0, lt=2**63)


class LayerPicture(Said):
    coordinates: list[list[float]]
    explained: list[float]


class LayerToken(Said):
    text: str
    role: Role
    index: int
    supporting: bool
    part: int = Field(description="0 in the question, 1 in the passage, -1 for special tokens.")
    start: int
    end: int


class PhaseEntry(Said):
    value: list[Number]
    low: list[Number]
    high: list[Number]
    meaning: str
    why_not: str | None


class MarkedAnswer(Said):
    text: str
    start: int
    end: int


class ModelLayers(Said):
    name: str
    layers: list[LayerPicture]
    tokens: list[LayerToken]
    phases: dict[str, PhaseEntry]
    trustworthiness: list[Number]
    neighbours: int
    notes: list[str]


class LayersAnswer(Said):
    question: str
    passage: str
    basis: Basis
    answer: MarkedAnswer | None
    answer_from: str = Field(description="Where the answer is from, or why there is none.")
    models: list[ModelLayers]


class CompareBody(Body):
    model: str
    sentences: Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=SENTENCES)]
    word: Annotated[str, Field(max_length=200)]
    metric: Metric = "cosine"
    correction: Correction = "none"
    groups: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=SENTENCES)] | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)


class SeparationEntry(Said):
    difference: Number
    low: Number
    high: Number
    p: Number
    within: Number
    between: Number
    silhouette: Number
    accuracy: Number


class CompareLayer(Said):
    layer: int
    matrix: list[list[Number]]
    random_words: Number
    anisotropy: Number
    separation: SeparationEntry | None


class CompareAnswer(Said):
    metric: Metric
    correction: Correction
    unit: str
    rule: str
    layers: list[CompareLayer]
    words: list[str]
    spans: list[tuple[int, int]]
    groups: list[str] | None
    best: int | None = Field(description="The layer at which the senses lie farthest apart.")
    p_best: Number
    chance: Number = Field(description="What the accuracy would be on average if the senses were dealt out by chance.")
    reference: str = Field(description="Over whose tokens the correction and the value of random words were estimated.")
    reference_tokens: int
    notes: list[str]


class LayersExample(Said):
    id: str
    title: str
    question: str
    context: str
    answer: str


class CompareExample(Said):
    name: str
    title: str
    word: str
    sentences: list[str]
    labels: list[str]
    needs: str | None = Field(description="The language that the encoder has to read, where it is not English.")


class TextExamples(Said):
    layers: list[LayersExample]
    compare: list[CompareExample]


# ----------------------------------------------------------------------------------------------------------------- corpus


class CorpusEntry(Said):
    name: str
    encoder: str
    layers: list[int]
    head_layers: list[int]
    tokens: int
    sentences: int
    text_bytes: int
    disk_bytes: int
    why_not: str | None = Field(default=None, description="Why it cannot be searched: it is damaged, or its encoder changed.")


class Corpora(Said):
    corpora: list[CorpusEntry]


class SearchBody(Body):
    text: Text
    token: int = Field(ge=0, le=TEXT)
    layer: int = Field(ge=0, le=1000)
    by: Literal["hidden", "heads"] = "hidden"
    heads: Heads | None = None
    k: int = Field(default=50, ge=1, le=200)


class WordEntry(Said):
    text: str
    start: int
    end: int
    pos: str
    dep: str
    ent: str


class HitEntry(Said):
    similarity: float
    sentence: str
    start: int
    end: int
    match: str
    token: int
    row: int
    word: WordEntry | None
    next: WordEntry | None
    attended: WordEntry | None
    attention: Number
    offset: int | None
    around: list[WordEntry | None] = Field(description="Seven words: the three before the match's, itself, the three after.")


class HistogramEntry(Said):
    of: str
    kind: str
    names: list[str]
    counts: list[int]
    total: int
    shares: list[float]
    base: list[float] | None
    low: list[float]
    high: list[float]
    p: list[float] | None


class QueryEntry(Said):
    text: str
    token: int
    match: str


class SearchAnswer(Said):
    query: QueryEntry
    layer: int
    by: Literal["hidden", "heads"]
    heads: list[int]
    candidates: int
    hits: list[HitEntry]
    histograms: list[HistogramEntry]
    notes: list[str]
