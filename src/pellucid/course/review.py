"""What becomes of a key document: it goes from `computed` over `reviewed` to `frozen`, and then never changes.

What an instructor decides about an option, a vote or an override, is signed and gives a reason. A `draft` holds some questions
only, and goes nowhere.
"""

import math
from collections.abc import Mapping
from typing import Any

from pellucid.course.assignment import Key
from pellucid.course.evidence import rounded
from pellucid.course.spec import in_points

VOTES = ("agree", "disagree", "override")


class KeyRefused(ValueError):
    """A key cannot be frozen, or no longer be changed; says what stands in the way."""


def shown_options(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Question id and evidence of every option that students see."""
    return [
        (question["id"], option)
        for question in document["evidence"]["questions"]
        for option in question["options"]
        if option["shown"]
    ]


def blocking(document: Mapping[str, Any]) -> list[str]:
    """What bars the release: options that are not SAFE and that nobody has signed for, and votes that disagree."""
    key = Key.from_json(document["key"])
    found: list[str] = []
    for question, option in shown_options(document):
        settled = option["override"] or option["id"] in key.disregarded.get(question, ()) or question in key.full
        if option["verdict"] != "SAFE" and not settled:
            found.append(f"{question}/{option['id']} is {option['verdict']}: {'; '.join(option['reasons'])}")
    for question in document["evidence"]["questions"]:
        signed = any(option["shown"] and option["override"] for option in question["options"])
        found += [f"{question['id']}: {problem}" for problem in question["problems"] if not signed]
    for vote in standing_votes(document):
        if vote["vote"] == "disagree":
            about = vote["question"] + (f"/{vote['option']}" if vote["option"] else "")
            found.append(f"{vote['by']} disagrees about {about}: {vote['reason'] or 'no reason given'}")
    return found


def standing_votes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The last vote of each person on each option; an override by anybody settles the votes before it."""
    last: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for vote in document["review"]:
        if vote["vote"] == "override":
            last = {k: v for k, v in last.items() if k[:2] != (vote["question"], vote["option"])}
        last[vote["question"], vote["option"], vote["by"]] = vote
    return list(last.values())


def reviewed(
    document: Mapping[str, Any], question: str, option: str | None, vote: str, reason: str, *, by: str, at: str
) -> dict[str, Any]:
    """The document with one more vote on an option, or on a question as a whole (option None).

    An `override` says that the computed truth of a shown option stands although it is AMBIGUOUS. The state becomes `reviewed`
    once every question has been voted on. KeyRefused for a frozen key, a draft, or an override without a reason; KeyError for
    an option that is not shown.
    """
    if document["state"] == "frozen":
        raise KeyRefused("this key is frozen; a change is a new version with a reason")
    if vote not in VOTES:
        raise ValueError(f"vote {vote!r}; a vote is one of {', '.join(VOTES)}")
    about = [one for id, one in shown_options(document) if id == question and option in (None, one["id"])]
    if not about:
        raise KeyError(f"no option {option!r} is shown in {question!r}" if option else f"no question {question!r} in this key")
    if vote == "override":
        if not by.strip() or not reason.strip():
            raise KeyRefused("an override is signed with a name and a reason")
        if option is None:
            raise KeyRefused("an override is of one option; name it as QUESTION/OPTION")
        if about[0]["verdict"] == "INVALID":
            raise KeyRefused(f"{question}/{option} is INVALID: it has no truth to sign for; change its candidate")
    questions = document["evidence"]["questions"]
    if vote == "override":
        signed = {"override": {"by": by, "reason": reason, "at": at}}
        questions = [
            {**q, "options": [o | (signed if o["id"] == option else {}) for o in q["options"]]} if q["id"] == question else q
            for q in questions
        ]
    review = [*document["review"], {"question": question, "option": option, "by": by, "at": at, "vote": vote, "reason": reason}]
    voted = {one["question"] for one in review}
    state = document["state"]
    if state == "computed" and all(q["id"] in voted for q in questions):
        state = "reviewed"
    return _in_state({**document, "evidence": {**document["evidence"], "questions": questions}, "review": review}, state)


def frozen(document: Mapping[str, Any], *, by: str, at: str, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The document frozen under a name, with overrides (`QUESTION/OPTION` and a reason) signed by the same person.

    KeyRefused while a shown option is not SAFE and not overridden, while a vote disagrees, and for a draft.
    """
    if document["state"] == "frozen":
        raise KeyRefused("this key is frozen already; `pellucid course build` makes its next version")
    if document["state"] == "draft":
        raise KeyRefused("this key is a draft of some questions; build all of them first")
    if not by.strip():
        raise KeyRefused("a key is frozen under somebody's name")
    made = dict(document)
    for about, reason in (overrides or {}).items():
        question, slash, option = about.partition("/")
        if not slash:
            raise KeyRefused(f"{about!r} names no option; write QUESTION/OPTION=REASON")
        made = reviewed(made, question, option, "override", reason, by=by, at=at)
    if problems := blocking(made):
        raise KeyRefused("the key cannot be frozen:\n" + "\n".join(f"  {problem}" for problem in problems))
    return _in_state(made, "frozen") | {"frozen": {"by": by, "at": at}}


def _in_state(document: Mapping[str, Any], state: str) -> dict[str, Any]:
    return {**document, "state": state, "key": {**document["key"], "state": state}}


def summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of the whole key: points, candidates by verdict and by group, and the chance that a student's own run contradicts it."""
    groups: dict[str, dict[str, int]] = {}
    group_of = {q["id"]: q["group"] for q in document["assignment"]["questions"]}
    for question in document["evidence"]["questions"]:
        counts = groups.setdefault(group_of[question["id"]], {"SAFE": 0, "AMBIGUOUS": 0, "INVALID": 0})
        for option in question["options"]:
            counts[option["verdict"]] += 1
    agree = 1.0
    for _, option in shown_options(document):
        if option["sd"] and option["margin"] is not None:
            agree *= 1 - 0.5 * math.erfc(abs(option["margin"]) / option["sd"] / math.sqrt(2))
    points = in_points(sum(q["tenths"] for q in document["assignment"]["questions"]))
    return {"points": points, "groups": groups, "contradiction": rounded(1 - agree), "blocking": blocking(document)}
