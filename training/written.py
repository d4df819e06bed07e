"""Passages with questions written by hand, in `written/*.txt`, as examples to train on.

    python training/written.py                  # reads them all, counts them, and names every line that is not right
    python training/written.py FILE...          # only these

A file holds blocks with an empty line between them:

    # title
    The passage, on one line.
    ? A question | its answer, letter for letter as it stands in the passage
    ? A question | its answer | 2                (the second place where the passage has it)
    ? A question | an answer || another          (in evaluation/development.txt: each of them is right)
    - A question that the passage does not answer
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).parent / "written"
LONGEST_PASSAGE = 150
LONGEST_ANSWER = 20


@dataclass(frozen=True)
class Written:
    title: str
    passage: str
    question: str
    answers: tuple[str, ...]
    """The first is the best; none where the passage does not answer."""
    start: int
    """Character of the first answer in the passage; -1 where there is none."""


class Wrong(ValueError):
    """A line that cannot be used, with its file and number."""


def place(passage: str, answer: str, number: int) -> int:
    """Where the answer stands in the passage as whole words, for the `number`th time; -1 if it does not."""
    found = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", passage)]
    return found[number - 1] if len(found) >= number else -1


def answered(one: Written, rest: list[str], where: str) -> Written | Wrong:
    number = int(rest.pop()) if rest and rest[-1].isdigit() and len(rest) > 1 and rest[-2] else 1
    answers = tuple(part for part in rest if part)
    if not answers:
        return Wrong(f"{where}: no answer after |")
    for answer in answers:
        if len(answer.split()) > LONGEST_ANSWER:
            return Wrong(f"{where}: an answer of more than {LONGEST_ANSWER} words")
        if place(one.passage, answer, 1) < 0:
            return Wrong(f"{where}: “{answer}” does not stand in the passage so")
    start = place(one.passage, answers[0], number)
    if start < 0:
        return Wrong(f"{where}: “{answers[0]}” does not stand there {number} times")
    return replace(one, answers=answers, start=start)


def read(path: Path) -> Iterator[Written | Wrong]:
    title = passage = ""
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line, where = raw.strip(), f"{path.name}:{number}"
        if line.startswith("# "):
            title, passage = line[2:].strip(), ""
        elif line.startswith(("? ", "- ")):
            question, *rest = (part.strip() for part in line[2:].split("|"))
            if not passage or not question:
                yield Wrong(f"{where}: a question needs a passage above it")
            elif line[0] == "-":
                yield (
                    Wrong(f"{where}: an answer to an unanswerable question")
                    if rest
                    else Written(title, passage, question, (), -1)
                )
            else:
                yield answered(Written(title, passage, question, (), -1), rest, where)
        elif line:
            if passage or not title:
                yield Wrong(f"{where}: a passage is one line, after a title")
            elif len(line.split()) > LONGEST_PASSAGE:
                yield Wrong(f"{where}: a passage of more than {LONGEST_PASSAGE} words")
            passage = line


def written(paths: list[Path] | None = None) -> list[Written]:
    """All of them; raises `Wrong` at the first line that is not right."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")) if paths is None else paths:
        for one in read(path):
            if isinstance(one, Wrong):
                raise one
            found.append(one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    wrong = False
    for path in parser.parse_args().files or sorted(FOLDER.glob("*.txt")):
        good = []
        for one in read(path):
            if isinstance(one, Wrong):
                wrong = True
                print(one)
            else:
                good.append(one)
        passages = {w.passage for w in good}
        words, some = sum(len(p.split()) for p in passages) / max(1, len(passages)), sum(bool(w.answers) for w in good)
        first = Counter(w.question.split()[0].lower() for w in good)
        print(
            f"{path.name}: {len(passages)} passages of {words:.0f} words, {some} questions with and {len(good) - some} without "
            f"an answer; {dict(first.most_common(12))}"
        )
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
