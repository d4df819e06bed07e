"""A course folder: the source, what was measured, and the versions of its key."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from pellucid.course.evidence import Known, Measurement, in_key, read_evidence, write_evidence
from pellucid.course.key import compute_key, spec_hash
from pellucid.course.reading import read_spec
from pellucid.course.review import KeyRefused, frozen
from pellucid.course.source import Place, edited
from pellucid.course.spec import SOURCE, QuestionSpec, Spec
from pellucid.course.workshop import Workshop
from pellucid.store import write_whole

KEY = re.compile(r"(\d{4})\.json")
SHIPPED_KEY = "key.json"
Told = Callable[[str], None]


def shipped() -> Path:
    """The folder of the course that comes with the package: its source, and its frozen key."""
    return Path(str(files("pellucid.course") / "data"))


def new_course(folder: str | Path) -> "CourseFolder":
    """A copy of the shipped course, with its key, to edit. FileExistsError for a folder that is not empty."""
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{str(folder)!r} is there already and not empty; name a new folder")
    for path in sorted(shipped().iterdir()):
        if path.suffix == ".yaml":
            write_whole(folder / path.name, path.read_bytes())
    if (shipped() / SHIPPED_KEY).is_file():
        write_whole(folder / "keys" / "0001.json", (shipped() / SHIPPED_KEY).read_bytes())
    # subtle: what is made for the evidence can be made again, and keys are no matter for a public repository
    write_whole(folder / ".gitignore", b"artefacts/\ncourse.db*\n")
    return CourseFolder(folder)


@final
class CourseFolder:
    """A folder with `course.yaml`, and `evidence/`, `keys/` and `artefacts/` as they come to be."""

    def __init__(self, path: str | Path | None = None) -> None:
        """Without a path, the shipped course, which can be checked and not be changed. FileNotFoundError without a source."""
        self.path = shipped() if path is None else Path(path)
        self.ships = path is None
        if not (self.path / SOURCE).is_file():
            raise FileNotFoundError(
                f"{str(self.path)!r} has no {SOURCE}; `pellucid course new FOLDER` makes a folder that has one"
            )

    @cached_property
    def spec(self) -> Spec:
        """The source, read. SpecError with every problem in it."""
        return read_spec(self.path)

    def edit(self, changes: Mapping[Place, str]) -> None:
        """Puts values into `course.yaml`, whose comments stay; other networks and images are a change of the source."""
        path = self.path / SOURCE
        write_whole(path, edited(path.read_text(encoding="utf-8"), changes).encode())
        self.__dict__.pop("spec", None)

    # ------------------------------------------------------------------------------------------------ keys

    def versions(self) -> list[int]:
        """The numbers of the keys that are there, ascending."""
        return sorted(self._paths())

    def key(self, version: int | None = None) -> dict[str, Any] | None:
        """A key document, the latest without a version; None where there is none. ValueError for a file that is none."""
        paths = self._paths()
        if not paths or (version is not None and version not in paths):
            return None
        path = paths[max(paths) if version is None else version]
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != 1:
                raise ValueError(f"format {document['format']}")
            return document
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(path)!r} is no key of a course: {error}") from None

    def frozen_key(self) -> dict[str, Any] | None:
        """The latest frozen key document; None where there is none."""
        for version in reversed(self.versions()):
            document = self.key(version)
            if document and document["state"] == "frozen":
                return document
        return None

    def write_key(self, document: Mapping[str, Any]) -> Path:
        """The document under its version. KeyRefused where a frozen one would be overwritten."""
        version = document["key"]["version"]
        before = self.key(version)
        if before and before["state"] == "frozen":
            raise KeyRefused(f"key {version:04d} is frozen; a change is a new version")
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return write_whole(self.path / "keys" / f"{version:04d}.json", text.encode())

    def _paths(self) -> dict[int, Path]:
        if self.ships:
            path = self.path / SHIPPED_KEY
            return {1: path} if path.is_file() else {}
        found = [(KEY.fullmatch(path.name), path) for path in (self.path / "keys").glob("*.json")]
        return {int(match[1]): path for match, path in found if match}

    # ------------------------------------------------------------------------------------------------ computing

    def known(self) -> Known:
        """All that was measured before, in the evidence and in the keys, by hash."""
        found = read_evidence(self.path / "evidence")
        for version in self.versions():
            document = self.key(version)
            found |= in_key(document) if document else {}
        return found

    def workshop(self, told: Told = lambda text: None, artefacts: Path | None = None) -> Workshop:
        """A workshop that keeps its artefacts in the folder, or in another."""
        return Workshop(self.spec, artefacts or self.path / "artefacts", told=told)

    def build(self, *, reason: str = "", only: tuple[str, ...] = (), told: Told = lambda text: None) -> dict[str, Any]:
        """Computes what is missing and writes the key: over one that is not frozen, or as the next version after a frozen one.

        The evidence of each question is kept as soon as it is there, so a broken-off build goes on where it was. What was voted
        on stays where neither the options shown nor their truth have changed. KeyRefused for a change of a frozen key without a
        reason.
        """
        before = self.key()
        if before and before["state"] == "frozen" and not reason and not only:
            raise KeyRefused(
                f"key {before['key']['version']:04d} is frozen; a new version says why it is made: --reason TEXT "
                "(`pellucid course drift` says what would change)"
            )
        after_frozen = before is not None and before["state"] == "frozen"
        number = 1 if before is None else before["key"]["version"] + (1 if after_frozen else 0)
        parent = before["key"]["version"] if after_frozen and before else before["key"]["parent"] if before else None

        def kept(question: QuestionSpec, measurements: Mapping[str, Measurement]) -> None:
            write_evidence(self.path / "evidence", question.id, measurements)

        document = compute_key(
            self.spec, self.workshop(told), known=self.known(), only=only, version=number, parent=parent,
            reason=reason or (before["key"]["reason"] if before and not after_frozen else ""), told=told, kept=kept,
        )  # fmt: skip
        if only:
            return document
        if before and not after_frozen:
            document["review"] = _still_valid(before, document)
        self.write_key(document)
        return document

    def freeze(self, *, by: str, at: str, overrides: Mapping[str, str]) -> dict[str, Any]:
        """The latest key, frozen. KeyRefused where there is none, where the source has changed since, or something bars it."""
        document = self.key()
        if document is None:
            raise KeyRefused("there is no key yet; `pellucid course build` computes one")
        if document["evidence"]["spec"] != spec_hash(self.spec):
            raise KeyRefused("the source has changed since the key was computed; `pellucid course build` computes it again")
        made = frozen(document, by=by, at=at, overrides=overrides)
        self.write_key(made)
        return made


def _still_valid(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The votes, without overrides, on questions that show the same options with the same truth."""

    def shown(document: Mapping[str, Any]) -> dict[str, list[tuple[str, bool]]]:
        return {
            q["id"]: [(o["id"], o["correct"]) for o in q["options"] if o["shown"]] for q in document["evidence"]["questions"]
        }

    old, new = shown(before), shown(after)
    return [v for v in before["review"] if v["vote"] != "override" and old[v["question"]] == new.get(v["question"])]
