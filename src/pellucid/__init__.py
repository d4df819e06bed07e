"""Why an image classifier or a BERT-family encoder answered as it did, and how far that explanation can be trusted.

The public names. They are imported when first used, so that the shell command can show its help without loading torch.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pellucid.analysis.answers import Answer as Answer
    from pellucid.analysis.answers import Blank as Blank
    from pellucid.analysis.answers import answer as answer
    from pellucid.analysis.answers import fill_mask as fill_mask
    from pellucid.analysis.attention import Attention as Attention
    from pellucid.analysis.attention import attend as attend
    from pellucid.analysis.corpus import Corpus as Corpus
    from pellucid.analysis.corpus import Histogram as Histogram
    from pellucid.analysis.corpus import Hit as Hit
    from pellucid.analysis.corpus import Hits as Hits
    from pellucid.analysis.corpus import build_corpus as build_corpus
    from pellucid.analysis.corpus import histogram as histogram
    from pellucid.analysis.corpus import open_corpus as open_corpus
    from pellucid.analysis.erasure import comprehensiveness as comprehensiveness
    from pellucid.analysis.erasure import sufficiency as sufficiency
    from pellucid.analysis.groups import token_groups as token_groups
    from pellucid.analysis.head_effect import HeadEffect as HeadEffect
    from pellucid.analysis.head_effect import head_effect as head_effect
    from pellucid.analysis.head_statistics import HeadStatistics as HeadStatistics
    from pellucid.analysis.head_statistics import head_statistics as head_statistics
    from pellucid.analysis.passages import Passage as Passage
    from pellucid.analysis.passages import passage as passage
    from pellucid.analysis.phases import Phases as Phases
    from pellucid.analysis.phases import phases as phases
    from pellucid.analysis.projection import Projection as Projection
    from pellucid.analysis.projection import project as project
    from pellucid.analysis.rollout import attention_flow as attention_flow
    from pellucid.analysis.rollout import rollout as rollout
    from pellucid.analysis.senses import Separation as Separation
    from pellucid.analysis.senses import separation as separation
    from pellucid.analysis.similarity import Comparison as Comparison
    from pellucid.analysis.similarity import compare as compare
    from pellucid.analysis.token_scores import TokenScores as TokenScores
    from pellucid.analysis.token_scores import token_scores as token_scores
    from pellucid.attribution import Attribution as Attribution
    from pellucid.batch.run import Batch as Batch
    from pellucid.batch.run import batch as batch
    from pellucid.benchmark import Grades as Grades
    from pellucid.benchmark import benchmark as benchmark
    from pellucid.benchmark import benchmark_text as benchmark_text
    from pellucid.doctor import Finding as Finding
    from pellucid.doctor import doctor as doctor
    from pellucid.evidence import Evidence as Evidence
    from pellucid.evidence import Trust as Trust
    from pellucid.explain import explain as explain
    from pellucid.explain import explain_stream as explain_stream
    from pellucid.explain import measure as measure
    from pellucid.explain import record as record
    from pellucid.grades import Grade as Grade
    from pellucid.grades_text import TextGrade as TextGrade
    from pellucid.inputs.image import Images as Images
    from pellucid.inputs.photograph import ImageWarning as ImageWarning
    from pellucid.inputs.photograph import observation_paths as observation_paths
    from pellucid.inputs.text import Tokens as Tokens
    from pellucid.measurement import Interval as Interval
    from pellucid.measurement import Measurement as Measurement
    from pellucid.methods import methods as methods
    from pellucid.methods.filter_image import FilterImage as FilterImage
    from pellucid.methods.filter_maps import FilterMaps as FilterMaps
    from pellucid.methods.filter_maps import Patch as Patch
    from pellucid.methods.filter_maps import beats_images as beats_images
    from pellucid.methods.filter_maps import filter_maps as filter_maps
    from pellucid.methods.filter_maps import strongest_patches as strongest_patches
    from pellucid.methods.filters import filters as filters
    from pellucid.metrics import Metric as Metric
    from pellucid.metrics import metrics as metrics
    from pellucid.models.activations import Activations as Activations
    from pellucid.models.cards import card as card
    from pellucid.models.image import ImageClassifier as ImageClassifier
    from pellucid.models.load import load as load
    from pellucid.models.text import TextEncoder as TextEncoder
    from pellucid.models.text import TextWarning as TextWarning
    from pellucid.pictures.images import draw as draw
    from pellucid.pictures.tokens import draw_tokens as draw_tokens
    from pellucid.replay import Replay as Replay
    from pellucid.replay import replay as replay
    from pellucid.request import Request as Request
    from pellucid.store import Record as Record
    from pellucid.store import Store as Store
    from pellucid.stream import Method as Method
    from pellucid.stream import Preset as Preset
    from pellucid.token_trust import token_trust as token_trust
    from pellucid.trust import trust as trust

_WHERE = {
    "Activations": "models.activations",
    "Answer": "analysis.answers",
    "Attention": "analysis.attention",
    "Attribution": "attribution",
    "Batch": "batch.run",
    "Blank": "analysis.answers",
    "Comparison": "analysis.similarity",
    "Corpus": "analysis.corpus",
    "Evidence": "evidence",
    "FilterImage": "methods.filter_image",
    "FilterMaps": "methods.filter_maps",
    "Finding": "doctor",
    "Grade": "grades",
    "Grades": "benchmark",
    "HeadEffect": "analysis.head_effect",
    "HeadStatistics": "analysis.head_statistics",
    "Histogram": "analysis.corpus",
    "Hit": "analysis.corpus",
    "Hits": "analysis.corpus",
    "ImageClassifier": "models.image",
    "ImageWarning": "inputs.photograph",
    "Images": "inputs.image",
    "Interval": "measurement",
    "Measurement": "measurement",
    "Method": "stream",
    "Metric": "metrics",
    "Passage": "analysis.passages",
    "Patch": "methods.filter_maps",
    "Phases": "analysis.phases",
    "Preset": "stream",
    "Projection": "analysis.projection",
    "Record": "store",
    "Replay": "replay",
    "Request": "request",
    "Separation": "analysis.senses",
    "Store": "store",
    "TextEncoder": "models.text",
    "TextGrade": "grades_text",
    "TextWarning": "models.text",
    "TokenScores": "analysis.token_scores",
    "Tokens": "inputs.text",
    "Trust": "evidence",
    "answer": "analysis.answers",
    "attend": "analysis.attention",
    "attention_flow": "analysis.rollout",
    "batch": "batch.run",
    "beats_images": "methods.filter_maps",
    "benchmark": "benchmark",
    "benchmark_text": "benchmark",
    "build_corpus": "analysis.corpus",
    "card": "models.cards",
    "compare": "analysis.similarity",
    "comprehensiveness": "analysis.erasure",
    "doctor": "doctor",
    "draw": "pictures.images",
    "draw_tokens": "pictures.tokens",
    "explain": "explain",
    "explain_stream": "explain",
    "fill_mask": "analysis.answers",
    "filter_maps": "methods.filter_maps",
    "filters": "methods.filters",
    "head_effect": "analysis.head_effect",
    "head_statistics": "analysis.head_statistics",
    "histogram": "analysis.corpus",
    "load": "models.load",
    "measure": "explain",
    "methods": "methods",
    "metrics": "metrics",
    "observation_paths": "inputs.photograph",
    "open_corpus": "analysis.corpus",
    "passage": "analysis.passages",
    "phases": "analysis.phases",
    "project": "analysis.projection",
    "record": "explain",
    "replay": "replay",
    "rollout": "analysis.rollout",
    "separation": "analysis.senses",
    "strongest_patches": "methods.filter_maps",
    "sufficiency": "analysis.erasure",
    "token_groups": "analysis.groups",
    "token_scores": "analysis.token_scores",
    "token_trust": "token_trust",
    "trust": "trust",
}
__all__ = [*_WHERE, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


class _Package(types.ModuleType):
    """This package. Some of its public names are also names of submodules (`explain`, `methods`): the public name wins."""

    def __getattr__(self, name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module 'pellucid' has no attribute {name!r}; it has: {', '.join(_WHERE)}")
        value = getattr(importlib.import_module(f"pellucid.{_WHERE[name]}"), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # subtle: importing a submodule sets it as an attribute here, which would hide the function of the same name
        if not (name in _WHERE and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_WHERE})


sys.modules[__name__].__class__ = _Package
