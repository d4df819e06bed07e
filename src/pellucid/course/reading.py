"""A source read into a course, every problem of it found at once."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

from pydantic import ValidationError

from pellucid.course.artefacts import Entry, artefacts
from pellucid.course.assignment import Text
from pellucid.course.binding import Binding, fill, filled_link, images_of, rows
from pellucid.course.expression import bound, names, unit
from pellucid.course.measures import measures
from pellucid.course.parse import parse
from pellucid.course.source import (
    CandidateSource,
    CourseSource,
    Located,
    PartSource,
    QuestionSource,
    SpecError,
    read_part,
)
from pellucid.course.spec import OPTION_ID, QUESTION_ID, SOURCE, Candidate, QuestionSpec, Spec, in_points, tenths
from pellucid.registry import unknown

Made = TypeVar("Made")


def read_spec(folder: str | Path) -> Spec:
    """The course whose source is in the folder. SpecError with every problem found, each with its file and line."""
    folder = Path(folder)
    course = read_part(folder / SOURCE, CourseSource)
    problems: list[str] = []
    parts: list[Located[Any]] = [course]
    for number, name in enumerate(course.part.parts):
        if Path(name).name != name:
            raise SpecError(f"{course.at('parts', number)}: the part {name!r} is no file beside {SOURCE}")
        try:
            parts.append(read_part(folder / name, PartSource))
        except SpecError as error:
            problems.append(str(error))
        except FileNotFoundError as error:
            problems.append(f"{course.at('parts', number)}: {error}")
    if problems:  # what comes next would only follow from these
        raise SpecError("\n".join(problems))
    spec = _Reading(course, parts, folder, problems).spec()
    if problems:
        raise SpecError("\n".join(problems))
    return spec


@final
class _Reading:
    """One reading of a source; problems are gathered, so that an author sees all of them at once."""

    def __init__(self, course: Located[CourseSource], parts: list[Located[Any]], folder: Path, problems: list[str]) -> None:
        self.course, self.parts, self.folder, self.problems = course, parts, folder, problems
        self.images = self._tried(course.at("images"), lambda: images_of(course.part.images, folder)) or {}
        self.parameters: dict[str, list[Any]] = {}
        self.entries: dict[str, Entry] = {}
        self.broken: set[str] = set()
        """Artefacts that are declared wrongly: what uses them is no problem of its own."""

    def spec(self) -> Spec:
        course = self.course.part
        self._texts(course.assignment.title, self.course, "assignment", "title")
        for id, text in course.groups.items():
            self._texts(text, self.course, "groups", id)
        for part in self.parts:
            self._declared(part)
        self._check_entries()
        questions = [q for part in self.parts for n in range(len(part.part.questions)) if (q := self._question(part, n))]
        self._check_questions(questions)
        return Spec(
            course.assignment.id, course.assignment.title, course.languages, course.groups, course.assignment.feedback,
            tuple(questions), self.entries, course.models, self.images, course.masks, self.folder,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------- names

    def _declared(self, located: Located[Any]) -> None:
        part: PartSource = located.part
        for section, given in (("artefacts", part.artefacts), ("regions", part.regions)):
            for name, entry in given.items():
                place = located.at(section, name)
                if self._is_new(name, place):
                    default = {"kind": "region"} if section == "regions" else {}
                    made = self._tried(place, lambda e={**default, **entry}, p=(section, name): _entry(e, located, p))
                    if made is not None:
                        self.entries[name] = made
                    else:
                        self.broken.add(name)
        for name, values in part.parameters.items():
            place = located.at("parameters", name)
            if self._is_new(name, place):
                self.parameters[name] = values
                if not values:
                    self.problems.append(f"{place}: the parameter {name!r} has no value")

    def _is_new(self, name: str, place: str) -> bool:
        if not name.isidentifier():
            self.problems.append(f"{place}: {name!r} cannot be named in a condition; use letters, digits and _")
        elif name in self.entries or name in self.parameters or name in ("image", "other") or name in measures:
            self.problems.append(f"{place}: there is already something named {name!r}; choose another name")
        else:
            return True
        return False

    def _check_entries(self) -> None:
        for part in self.parts:
            for section in ("artefacts", "regions"):
                for name in getattr(part.part, section):
                    if name in self.entries:
                        self._check_entry(name, self.entries[name], part, section)

    def _check_entry(self, name: str, entry: Entry, part: Located[Any], section: str) -> None:
        models = self.course.part.models
        if entry.model and entry.model not in models:
            self.problems.append(f"{part.at(section, name, 'model')}: {unknown('model', entry.model, models)}")
        for id in entry.images if entry.images != "all" else ():
            if id not in self.images:
                self.problems.append(f"{part.at(section, name, 'images')}: {unknown('image', id, self.images)}")
        for other in entry.of:
            if other not in self.entries and other not in self.broken:
                self.problems.append(f"{part.at(section, name, 'of')}: {unknown('artefact', other, self.entries)}")
        if name in _made_from(name, self.entries):
            self.problems.append(f"{part.at(section, name, 'of')}: {name!r} is made from itself")

    # -------------------------------------------------------------------------------------------- questions

    def _question(self, located: Located[Any], number: int) -> QuestionSpec | None:
        source: QuestionSource = located.part.questions[number]
        place = ("questions", number)
        course = self.course.part
        if not QUESTION_ID.fullmatch(source.id):
            self.problems.append(f"{located.at(*place, 'id')}: {source.id!r} is no id; use a-z, 0-9 and -")
        if source.group not in course.groups:
            self.problems.append(f"{located.at(*place, 'group')}: {unknown('group', source.group, course.groups)}")
        worth = self._tried(located.at(*place, "points"), lambda: tenths(course.points.get(source.points, source.points)))
        low, high = source.show.true
        if not 1 <= low <= high < source.show.options:
            self.problems.append(
                f"{located.at(*place, 'show')}: {low} to {high} true of {source.show.options}; at least one option shown is "
                "true and at least one is false"
            )
        let = self._tried(located.at(*place, "let"), lambda: Binding.of(source.let, self.images)) or Binding()
        prompt = self._filled(source.prompt, let, located, *place, "prompt")
        hint = self._filled(source.hint, let, located, *place, "hint") if source.hint else {}
        lab = self._tried(located.at(*place, "lab"), lambda: filled_link(source.lab, let.values)) or ""
        candidates: list[Candidate] = []
        for n, pattern in enumerate(source.candidates):
            for made in self._candidates(source, pattern, let, located, *place, "candidates", n):
                if any(made.id == other.id for other in candidates):
                    where = located.at(*place, "candidates", n, "id")
                    self.problems.append(f"{where}: there is already a candidate {made.id!r} in {source.id!r}")
                candidates.append(made)
        if len(candidates) < source.show.options and not self.problems:
            self.problems.append(
                f"{located.at(*place, 'candidates')}: {len(candidates)} candidates, and {source.show.options} are to be shown"
            )
        if worth is None:
            return None
        return QuestionSpec(
            source.id, source.group, worth, prompt, hint, lab, tuple(candidates), source.show.options, source.show.true,
            source.if_ambiguous, source.draw,
        )  # fmt: skip

    def _candidates(
        self, question: QuestionSource, pattern: CandidateSource, let: Binding, located: Located[Any], *place: str | int
    ) -> Iterator[Candidate]:
        condition = self._tried(located.at(*place, "when"), lambda: parse(pattern.when))
        bindings = self._tried(located.at(*place, "each"), lambda: rows(pattern.each, self.parameters, self.images, let))
        if condition is None or bindings is None:
            return
        for binding in bindings:
            id = self._tried(located.at(*place, "id"), lambda b=binding: fill(pattern.id, b.values)) or ""
            if not OPTION_ID.fullmatch(id):
                self.problems.append(f"{located.at(*place, 'id')}: {id!r} is no id; use letters, digits, and . _ -")
            text = self._filled(pattern.text, binding, located, *place, "text")
            why = pattern.why or question.why or {}
            if why:
                why = self._filled(why, binding, located, *place, "why", later=("value", "threshold", "margin"))
            ready = bound(condition, binding.values)
            read = names(ready)
            if read & self.broken:
                return
            for name in sorted(read - self.entries.keys()):
                known = [*self.entries, *binding.values]
                self.problems.append(f"{located.at(*place, 'when')}: {unknown('artefact or parameter', name, known)}")
                return
            if not read:
                self.problems.append(f"{located.at(*place, 'when')}: no artefact is in it, so there is nothing to compute")
                return
            counted = unit(ready)
            floor = pattern.floor or question.floor or (counted.floor if counted else 0.0)
            if not floor:
                self.problems.append(
                    f"{located.at(*place, 'when')}: its margin has no unit of one measure; say `floor:`, what an eye can tell"
                )
                return
            yield Candidate(id, text, ready, floor, counted.name if counted else "", why)

    def _check_questions(self, questions: list[QuestionSpec]) -> None:
        course, seen = self.course.part, set[str]()
        for part in self.parts:
            for number, source in enumerate(part.part.questions):
                if source.id in seen:
                    self.problems.append(f"{part.at('questions', number, 'id')}: there is already a question {source.id!r}")
                seen.add(source.id)
        if "total" not in course.points:
            self.problems.append(f'{self.course.at("points")}: say `total:`, what all questions come to, such as "10"')
            return
        total = self._tried(self.course.at("points", "total"), lambda: tenths(course.points["total"]))
        found = sum(q.tenths for q in questions)
        if total is not None and total != found and not self.problems:
            where = self.course.at("points", "total")
            many = len(questions)
            self.problems.append(f"{where}: the {many} questions come to {in_points(found)} points, not to {in_points(total)}")

    # -------------------------------------------------------------------------------------------- texts

    def _texts(self, text: Text, located: Located[Any], *place: str | int) -> None:
        wanted = self.course.part.languages
        if set(text) != set(wanted):
            self.problems.append(
                f"{located.at(*place)}: the text is in {', '.join(text) or 'no language'}; the course is in {', '.join(wanted)}"
            )

    def _filled(
        self, text: Text, binding: Binding, located: Located[Any], *place: str | int, later: tuple[str, ...] = ()
    ) -> Text:
        self._texts(text, located, *place)
        return {
            language: self._tried(
                located.at(*place, language), lambda t=template, g=language: fill(t, binding.texts(g), later=later)
            ) or ""
            for language, template in text.items()
        }  # fmt: skip

    def _tried(self, place: str, make: Callable[[], Made]) -> Made | None:
        """What `make` gives; None, and a problem at that place, where it cannot."""
        try:
            return make()
        except (ValueError, KeyError, OSError) as error:
            said = str(error) if isinstance(error, SpecError) else f"{place}: {error}"
            if said not in self.problems:
                self.problems.append(said)
            return None


def _entry(given: Mapping[str, Any], located: Located[Any], place: tuple[str, str]) -> Entry:
    if "kind" not in given:
        raise ValueError(f"say which kind of artefact it is; known: {', '.join(artefacts)}")
    kind = artefacts[str(given["kind"])]
    try:
        return kind.entry.model_validate(dict(given))
    except ValidationError as error:
        raise SpecError(
            "\n".join(
                f"{located.at(*place, *one['loc'])}: {'.'.join(map(str, (*place, *one['loc'])))}: {one['msg']}"
                for one in error.errors()
            )
        ) from None


def _made_from(name: str, entries: Mapping[str, Entry]) -> set[str]:
    """All that it is made from, at any remove."""
    found, left = set[str](), list(entries[name].of)
    while left:
        one = left.pop()
        if one not in found and one in entries:
            found.add(one)
            left += entries[one].of
    return found
