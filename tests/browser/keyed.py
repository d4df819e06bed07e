"""A frozen key document with evidence, small enough to know every number of it."""

from typing import Any

from pellucid.course.assignment import Assignment, Key, Option, Question

RIGHT = {"inside": ["a", "b"], "peak": ["c"], "offset": ["a"], "apart": ["b", "d"]}
AXES = ("samples +25 %", "samples -25 %", "mask +2 px", "mask -2 px")


def assignment() -> Assignment:
    """Two questions on pictures of 0.3 points, two on texts of 0.4; one has a room to look at."""

    def question(id: str, group: str, tenths: int, lab: str = "") -> Question:
        options = tuple(Option(o, {"en": f"{id} option {o}"}) for o in "abcd")
        prompt = {"en": f"Which hold for {id}?", "zh-TW": f"{id} 的敘述何者正確？"}
        return Question(id, group, tenths, prompt, options, lab, {"en": "Look at the largest.", "zh-TW": "請看最大的。"})

    return Assignment(
        "whole4", {"en": "Explanations"}, ("en", "zh-TW"), {"lime": {"en": "LIME"}, "attention": {"en": "Attention"}},
        (
            question("inside", "lime", 3, "image=observation:3&method=saliency"), question("peak", "lime", 3),
            question("offset", "attention", 4), question("apart", "attention", 4),
        ),
    )  # fmt: skip


def candidate(id: str, question: str, correct: bool, verdict: str = "SAFE", shown: bool = True) -> dict[str, Any]:
    """Evidence of one option: 20 seeds and four axes, 0.3 away from the threshold; an ambiguous one is near it and crosses."""
    side = 1 if correct else -1
    margins = [side * (0.3 + 0.01 * (seed % 5 - 2)) for seed in range(20)] + [side * 0.31] * len(AXES)
    if verdict == "AMBIGUOUS":
        margins = [side * 0.02 * (seed % 5 - 1) for seed in range(20)] + [side * 0.02] * len(AXES)
    mean = sum(margins) / len(margins)
    names = [*(f"seed {seed}" for seed in range(20)), *AXES]
    measured = verdict != "INVALID"
    return {
        "id": id, "text": {"en": f"{question} option {id}", "zh-TW": f"{question} 選項 {id}"}, "correct": correct,
        "verdict": verdict,
        "margin": mean if measured else None, "sd": 0.014 if measured else None, "floor": 0.08, "unit": "share",
        "value": 0.5 + mean if measured else None, "threshold": 0.5 if measured else None,
        "reasons": [] if verdict == "SAFE" else ["its margin is too near to zero" if measured else "it has no value in: base"],
        "when": f"share(map[{id}], subject) >= 0.50", "shown": shown, "override": None,
        "runs": [{"axis": axis, "margin": m} for axis, m in zip(names, margins, strict=True)] if measured else [],
        "why": {"en": "the total of the map is too small" if not measured else ""},
    }  # fmt: skip


def document() -> dict[str, Any]:
    """Four options shown of each question, two more candidates of the first that are not; one shown option is ambiguous."""
    asked = assignment()
    key = Key(asked.hash, 1, {id: (frozenset(ids),) for id, ids in RIGHT.items()}, state="frozen")
    questions = [
        {
            "id": q.id,
            "options": [
                candidate(o.id, q.id, o.id in RIGHT[q.id], "AMBIGUOUS" if (q.id, o.id) == ("peak", "b") else "SAFE")
                for o in q.options
            ],
        }
        for q in asked.questions
    ]
    questions[0]["options"] += [
        candidate("e", "inside", True, "AMBIGUOUS", shown=False), candidate("f", "inside", False, "INVALID", shown=False),
    ]  # fmt: skip
    return {
        "format": 1, "state": "frozen", "hash": key.hash, "assignment": asked.to_json(), "key": key.to_json(),
        "evidence": {"questions": questions}, "review": [],
    }  # fmt: skip
