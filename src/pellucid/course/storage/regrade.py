"""A key that turned out wrong: a new version of it, whom that moves, and the old scores beside the new."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import chain, combinations
from typing import Any, get_args

import sqlalchemy as sa

from pellucid.course.assignment import Assignment, Key, Question, Selection, tenths
from pellucid.course.storage import answers, audit, members, release, scores
from pellucid.course.storage.tables import course
from pellucid.course.values import Change, Changes, Member, NotFound, Policy, Refused, Regrade, plain

KNOWN = ("accepted", "disregard", "full")
WIDEST = 16
"""Options of a question whose selections are still enumerated."""


def preview(connection: sa.Connection, changes: Changes, policy: Policy, reason: str) -> Regrade:
    """Whom the changes would move."""
    asked, old = scores.graded_by(connection)
    newest = release.versions(connection)[-1].version
    return _effect(connection, asked, old, changed(asked, old, changes, policy, reason, newest + 1))


def regrade(connection: sa.Connection, changes: Changes, policy: Policy, reason: str, by: Member | None) -> Regrade:
    """Make it so, in the transaction that it is called in."""
    if not reason.strip():
        raise Refused("a regrade needs a reason, which stays with the new version")
    found = preview(connection, changes, policy, reason)
    old, new = release.key(connection), found.key
    document = release.key_document(connection, old.version)
    scores.store(connection, old.version)
    release.add_version(connection, new, policy, document["evidence"], document["review"], by)
    scores.store(connection, new.version)
    connection.execute(sa.update(course).values(key_version=new.version))
    about = {"version": new.version, "policy": policy, "reason": reason, "changes": dict(changes)}
    audit.record(connection, by, "regrade", {**about, "rise": len(found.rise), "fall": len(found.fall)})
    return replace(found, version=new.version)


def changed(asked: Assignment, old: Key, changes: Changes, policy: Policy, reason: str, version: int) -> Key:
    """The key after the changes. Under "either", whatever earned a question's points still does.

    Raises NotFound for unknown questions, Refused for options that are not shown, and for changes that change nothing.
    """
    if policy not in get_args(Policy):
        raise Refused(f"no policy {policy!r}; known: {', '.join(get_args(Policy))}")
    accepted, disregarded, full = dict(old.accepted), dict(old.disregarded), set(old.full)
    for id, change in changes.items():
        question = _question(asked, id)
        _check(question, change)
        if "accepted" in change:
            accepted[id] = _in_order(frozenset(one) for one in change["accepted"])
        if "disregard" in change:
            disregarded[id] = frozenset(change["disregard"])
        if "full" in change:
            (full.add if change["full"] else full.discard)(id)
    disregarded = {id: ids for id, ids in disregarded.items() if ids}
    new = replace(
        old, accepted=accepted, disregarded=disregarded, full=frozenset(full), version=version, parent=old.version,
        reason=plain(reason, "the reason"), state="frozen",
    )  # fmt: skip
    if policy == "either":
        for id in changes:
            new = _either(asked.question(id), old, new)
    if not between(old, new):
        raise Refused("these changes change nothing of the key")
    return new


def between(old: Key, new: Key) -> dict[str, dict[str, Any]]:
    """The changes that make of one key what another accepts, as after a recomputation. Refused for another assignment's."""
    if old.assignment != new.assignment:
        raise Refused("the two keys are of different assignments; a regrade keeps the questions as they were asked")
    found: dict[str, dict[str, Any]] = {}
    for id in old.accepted:
        change: dict[str, Any] = {}
        if set(old.accepted[id]) != set(new.accepted[id]):
            change["accepted"] = [sorted(one) for one in new.accepted[id]]
        if old.disregarded.get(id, frozenset()) != new.disregarded.get(id, frozenset()):
            change["disregard"] = sorted(new.disregarded.get(id, ()))
        if (id in old.full) != (id in new.full):
            change["full"] = id in new.full
        if change:
            found[id] = change
    return found


def _effect(connection: sa.Connection, asked: Assignment, old: Key, new: Key) -> Regrade:
    chosen = answers.selections(connection)
    moved: list[Change] = []
    for member in members.everybody(connection):
        mine = chosen.get(member.id, {})
        if any(mine.values()):
            before, after = (sum(tenths(asked, key, mine).values()) for key in (old, new))
            moved.append(Change(member, before, after))
    count = max(1, len(moved))
    return Regrade(
        tuple(one for one in moved if one.after > one.before), tuple(one for one in moved if one.after < one.before),
        sum(one.after == one.before for one in moved),
        sum(one.before for one in moved) / count, sum(one.after for one in moved) / count, new,
    )  # fmt: skip


def _either(question: Question, old: Key, new: Key) -> Key:
    """`new`, which also accepts for this question whatever `old` does."""
    id = question.id
    if id in old.full or id in new.full:
        return replace(new, full=new.full | {id})
    ignored, before = new.disregarded.get(id, frozenset()), old.disregarded.get(id, frozenset())
    if ignored == before:
        return replace(new, accepted={**new.accepted, id: _in_order((*old.accepted[id], *new.accepted[id]))})
    # subtle: the two ignore different options, which one key cannot; so each selection that earns under one of them is listed
    options = [option.id for option in question.options]
    if len(options) > WIDEST:
        raise Refused(f"{id} has {len(options)} options, too many to accept either key; use the policy 'replace'")
    common = ignored & before
    right = [one for one in _subsets(options) if old.right(id, one) or new.right(id, one)]
    several = _in_order(one - common for one in right)
    disregarded = {**new.disregarded, id: common} if common else {q: ids for q, ids in new.disregarded.items() if q != id}
    return replace(new, accepted={**new.accepted, id: several}, disregarded=disregarded)


def _in_order(several: Iterable[Selection]) -> tuple[Selection, ...]:
    """Each once, and in one order: keys that accept the same are then the same."""
    return tuple(sorted(set(several), key=sorted))


def _subsets(options: Collection[str]) -> list[Selection]:
    every = chain.from_iterable(combinations(options, n) for n in range(1, len(options) + 1))
    return [frozenset(one) for one in every]


def _question(asked: Assignment, id: str) -> Question:
    try:
        return asked.question(id)
    except KeyError as error:
        raise NotFound(str(error.args[0])) from None


def _check(question: Question, change: Mapping[str, Any]) -> None:
    """Refused for a change that has not the form of one, or names what the question does not show."""
    id, options = question.id, [option.id for option in question.options]
    if unknown := [name for name in change if name not in KNOWN]:
        raise Refused(f"{id}: no change {unknown[0]!r}; known: {', '.join(KNOWN)}")
    accepted, ignored = change.get("accepted", [options]), change.get("disregard", [])
    if not isinstance(accepted, list | tuple) or not accepted or not all(isinstance(one, list | tuple) for one in accepted):
        raise Refused(f"{id}: 'accepted' is a list of selections, each a list of option ids; given was {accepted!r}")
    if not all(accepted):
        raise Refused(f"{id}: nothing chosen is no answer, so it cannot be accepted")
    if not isinstance(ignored, list | tuple):
        raise Refused(f"{id}: 'disregard' is a list of option ids; given was {ignored!r}")
    if not isinstance(change.get("full", False), bool):
        raise Refused(f"{id}: 'full' is true or false; given was {change['full']!r}")
    for option in (*ignored, *chain.from_iterable(accepted)):
        if option not in options:
            raise Refused(f"{id} has no option {option!r}; it has: {', '.join(options)}")
