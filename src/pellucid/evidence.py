"""What was found out about a map, or about the scores of a text's tokens: the verdict that it calls for, in plain words.

The tests are those of Samek et al. 2017 (removal against random orders, https://arxiv.org/abs/1509.06321) and of Adebayo et
al., NeurIPS 2018 (randomised weights, https://arxiv.org/abs/1810.03292); the verdict and its thresholds are ours.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final, get_args

from pellucid.attribution import Work
from pellucid.measurement import Interval

Verdict = Literal[
    "does not depend on the model", "no better than random", "cannot be told", "little to explain", "has not settled",
    "holds up",
]  # fmt: skip

Subject = Literal["picture", "text"]
"""What was explained."""
Outcome = Verdict | Literal["noise", "empty", "hardly", "unlearned", "unaccounted", "unanswered", "partly"]
"""A verdict, or what it is for where that has words of its own."""

SAME = 0.9
"""Rank correlation with the map of a randomised network from which on the map does not depend on the model."""
MUCH = 0.6
"""The same from which on much of the map is the picture's, and is said to be."""
WORTH = 0.05
"""What a map must gain over random orders, as a share of what all the picture is worth to the answer."""
ANSWERS = 1 / 3
"""How much of the target's probability must come from the picture, for there to be something to explain."""
LEARNED = 6.0
"""Order of a network's weights below which it has learned nothing, so that a map may be faithful to it and yet explain nothing.
Weights redrawn or fresh stayed below 4, and networks trained for seconds were above 11."""
SETTLED = 0.5
"""Correlation with a run of another seed, both seen from a distance, below which a map has not settled: of scores, not of
ranks, since one sees what is strong."""
NOISE = 0.2
"""The same correlation below which a map is noise: what it gains over random orders is luck then."""
COUNTS = ("completeness gap", "share still missing")
"""Errors that say how much of the map is not accounted for, rather than how far it may be from the one of endless samples,
which a second run tells better."""
UNACCOUNTED = 0.5
"""Such an error from which on a map has not settled."""

_PICTURE: Mapping[Outcome, tuple[str, str]] = {
    "does not depend on the model": (
        "A network with random weights gets nearly the same map: it shows the picture, not what the network makes of it.",
        "Do not read it as an explanation; take a method whose map changes with the weights, such as integrated_gradients.",
    ),
    "no better than random": (
        "Removing the pixels that it ranks first hurts the answer no more than removing pixels elsewhere.",
        "Do not rely on it; try another method, and see whether that one finds places that matter.",
    ),
    "little to explain": (
        "Less than a third of the class's probability comes from the picture: blurred beyond recognition, it keeps the rest.",
        "Ask about a class that the network is surer of, or look into the network before its explanations.",
    ),
    "has not settled": (
        "Another seed draws another map: what one sees is to a good part chance.",
        "Raise the number of samples, or give a tolerance, and look again.",
    ),
    "holds up": (
        "It changes with the weights, repeats, and the pixels that it ranks first matter more to the answer than others do.",
        "It passed these tests, which is not proof: look at a second method before you act on it.",
    ),
    "noise": (
        "Another seed draws a map that has next to nothing in common with it: what it gains over random orders is luck.",
        "Do not rely on it; take many more samples or another method, and see whether that one repeats.",
    ),
    "empty": (
        "All of its values are the same: it shows nothing.",
        "Nothing was found that speaks for this class; take another layer or method, or one that keeps what speaks against it.",
    ),
    "hardly": (
        "Removing the pixels that it ranks first hurts the answer hardly more than removing pixels elsewhere: by less than a "
        "twentieth of what the whole picture is worth to it.",
        "Do not rely on it; try another method, and see whether that one finds places that matter.",
    ),
    "cannot be told": (
        "Removing the pixels that it ranks first hurts the answer no more than removing pixels elsewhere.",
        "Do not rely on it; try another method, and see whether that one finds places that matter.",
    ),
    "unlearned": (
        "The network's weights are in no more order than weights drawn at random: it has learned nothing that a map could "
        "show.",
        "See whether its weights were loaded: a checkpoint whose names do not fit may be passed over without a word.",
    ),
    "unaccounted": (
        "By its own count half of it or more is missing or wrong: its {error_name} is {error:.2g}.",
        "Let it take more steps, or give a tolerance, and look again.",
    ),
    "unanswered": (
        "It is empty, since the time was up before the turn of this picture came.",
        "Give a later deadline, or explain fewer pictures at once.",
    ),
    "partly": (
        "It repeats, and the pixels that it ranks first matter more to the answer than others do; but much of it is there "
        "with random weights too: so far it shows the picture, not what the network makes of it.",
        "Look at a method whose map changes more with the weights before you act on it.",
    ),
}
_TEXT: Mapping[Outcome, tuple[str, str]] = {
    "does not depend on the model": (
        "A network with random weights ranks the tokens nearly alike: it shows the text, not what the network makes of it.",
        "Do not read it as an explanation; take a method whose scores change with the weights, such as erasure.",
    ),
    "no better than random": (
        "Masking the tokens that it ranks first hurts the answer no more than masking others.",
        "Do not rely on it; try another method, and see whether that one finds words that matter.",
    ),
    "little to explain": (
        "Less than a third of the answer's probability comes from these tokens: with all of them masked, it keeps the rest.",
        "Ask about an answer that the network is surer of, or look into the network before its explanations.",
    ),
    "has not settled": (
        "Another seed draws other scores: what one sees is to a good part chance.",
        "Take another method, and look again.",
    ),
    "holds up": (
        "It changes with the weights, and the tokens that it ranks first matter more to the answer than others do.",
        "It passed these tests, which is not proof: look at a second method before you act on it.",
    ),
    "noise": (
        "Another seed draws scores that have next to nothing in common with these: what they gain over random orders is luck.",
        "Do not rely on them; try another method, and see whether that one repeats.",
    ),
    "empty": (
        "All of its scores are the same, or there is but one token to rank: it tells no token from another.",
        "Try another method, or a longer text.",
    ),
    "hardly": (
        "Masking the tokens that it ranks first hurts the answer hardly more than masking others: by less than a twentieth of "
        "what they are all worth to it.",
        "Do not rely on it; try another method, and see whether that one finds words that matter.",
    ),
    "cannot be told": (
        "It does better than random orders of the tokens on average, but some of those do as well by luck, as they easily do "
        "in a short text: that it is more than luck cannot be told.",
        "Judge the method by longer texts or by many of them: pellucid benchmark --text does so.",
    ),
    "unlearned": (
        "The network's weights are in no more order than weights drawn at random: it has learned nothing that scores could "
        "show.",
        "See whether its weights were loaded: a checkpoint whose names do not fit may be passed over without a word.",
    ),
    "unaccounted": (
        "By its own count half of it or more is missing or wrong: its {error_name} is {error:.2g}.",
        "Let it take more steps, and look again.",
    ),
    "unanswered": (
        "They are empty, since the time was up before the turn of this text came.",
        "Give a later deadline, or explain fewer texts at once.",
    ),
    "partly": (
        "The tokens that it ranks first matter more to the answer than others do; but much of the ranking is there with "
        "random weights too: so far it shows the text, not what the network makes of it.",
        "Look at a method whose scores change more with the weights before you act on it.",
    ),
}
WORDS: Mapping[Subject, Mapping[Outcome, tuple[str, str]]] = {"picture": _PICTURE, "text": _TEXT}


@final
@dataclass(frozen=True)
class Evidence:
    """What was found out about the map of one image, or the scores of one text's tokens."""

    verdict: Verdict
    error: float
    """The method's own estimate, as `error_name` says."""
    error_name: str
    seeds: float | None
    """Correlation with a run of another seed, both blurred a little, as runs of full length would have it; None for methods
    without chance, which repeat."""
    advantage: Interval
    """How much lower the area under the deletion curve is than under random orders of pixels, in the target's probability, or
    its logit where classes were contrasted; with its 95 % interval. Of a text, how much more comprehensive the scores are than
    random orders of tokens, in probability or the number itself, and over the best and the worst of those."""
    worth: float
    """By how much the same output falls when all of the picture is blurred, or all of the tokens are masked."""
    randomised: float
    """Rank correlation with the map on a network with random weights, in either direction, in units of what a second run on the
    same network reaches: 1 does not depend on the model, 0 has nothing left of it. NaN for a map whose values are all the
    same. Of a text, the mean over a few such networks."""
    order: float
    """How much more order the network's weights have than weights drawn at random, in standard errors (`models.learned`)."""
    cost: Work
    """Of the explanation, for all of its images or texts."""
    subject: Subject = "picture"

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        return self._words[0]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self._words[1]

    @property
    def _words(self) -> tuple[str, str]:
        sentence, advice = WORDS[self.subject][self._outcome]
        return sentence.format(error_name=self.error_name, error=self.error), advice

    @property
    def _outcome(self) -> Outcome:
        if self.verdict == "no better than random":
            if math.isnan(self.randomised):
                return "empty"
            if is_noise(self.seeds):
                return "noise"
            return "hardly" if self.advantage.low > 0 else self.verdict
        if self.verdict == "little to explain" and self.order < LEARNED:
            return "unlearned"
        if math.isinf(self.error):
            return "unanswered"
        if self.verdict == "has not settled" and unaccounted(self.error, self.error_name):
            return "unaccounted"
        return "partly" if self.verdict == "holds up" and self.randomised >= MUCH else self.verdict

    def to_json(self) -> dict[str, Any]:
        """Its numbers and its words, for machines; of what, the document around it says."""
        found = asdict(self) | {"sentence": self.sentence, "advice": self.advice}
        del found["subject"]
        return found


@final
@dataclass(frozen=True)
class Trust:
    """The evidence on an attribution, image by image, or text by text."""

    evidence: tuple[Evidence, ...]
    work: Work
    """What gathering it cost, for all of them."""

    def __len__(self) -> int:
        return len(self.evidence)

    def __getitem__(self, index: int) -> Evidence:
        return self.evidence[index]

    @property
    def worst(self) -> Evidence:
        """The first of those with the least favourable verdict."""
        order = get_args(Verdict)
        return min(self.evidence, key=lambda one: order.index(one.verdict))

    @property
    def verdict(self) -> Verdict:
        return self.worst.verdict

    @property
    def sentence(self) -> str:
        return self.worst.sentence

    @property
    def advice(self) -> str:
        return self.worst.advice


def is_noise(seeds: float | None) -> bool:
    """Whether a map that agrees so little with a run of another seed is all chance. One that cannot be told is."""
    return seeds is not None and not seeds >= NOISE


def unaccounted(error: float, name: str) -> bool:
    """Whether half of the map or more is still missing or wrong by its own count. What cannot be told is."""
    return name in COUNTS and not error < UNACCOUNTED


def judged(
    advantage: Interval,
    worth: float,
    randomised: float,
    seeds: float | None,
    probability: bool,
    weights: float,
    incomplete: bool = False,
    flat: bool = False,
    subject: Subject = "picture",
) -> Verdict:
    """The first of the verdicts that the evidence calls for. Whatever cannot be told counts against the map.

    Of a text, `advantage` and `worth` are shares of the answer's own probability: that of a masked word is seldom near 1.
    """
    if flat:
        return "no better than random"
    if not randomised < SAME:
        return "does not depend on the model"
    if probability and abs(worth) < WORTH:  # nothing that is removed makes a difference, so no order can
        return "little to explain"
    if is_noise(seeds) or not advantage.value >= WORTH * abs(worth):
        return "no better than random"
    if not advantage.low > 0:
        return "cannot be told" if subject == "text" else "no better than random"
    if (probability and not worth >= ANSWERS) or weights < LEARNED:
        return "little to explain"
    if incomplete or (seeds is not None and not seeds >= SETTLED):
        return "has not settled"
    return "holds up"
