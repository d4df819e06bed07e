"""Questions made by rule from parsed English sentences, each with the span that answers it.

A sentence is taken apart into clauses, a clause into its subject, its verb and the phrases beside it. A question asks for one
of these and keeps some of the others. Relative clauses, participles and coordinated verbs are clauses like any other, so that a
sentence which states two facts gives questions about both.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Span, Token

PLACES = {"GPE", "LOC", "FAC"}
TIMES = {"DATE", "TIME"}
ARGUMENTS = {"dobj", "attr", "oprd", "dative", "acomp", "xcomp", "prt"}
POINTING = {"this", "these", "that", "those", "their", "its", "such", "our", "my", "other", "others", "another", "both", "it"}
PEOPLE_WORDS = """
    man woman boy girl scientist president philosopher author writer king queen people player astronaut officer
    leader god poet soldier worker teacher student emperor artist actor director physicist chemist farmer settler
    scholar critic member father mother parent son daughter brother sister wife husband grandfather grandmother uncle aunt
    cousin nephew niece child friend colleague priest monk bishop judge general captain lord prince princess pope guard crew
    group family army police painter singer lawyer doctor minister inventor sculptor composer conductor explorer designer
    banker baker sailor actress editor professor translator reporter producer lecturer commander governor senator historian
"""
PEOPLE = set(PEOPLE_WORDS.split())
WORK = re.compile("(?=.{6}).*(ist|[a-z]{4}ian|eer|smith|wright|sman|swoman)")  # suffixes of work, seldom of anything else
PARTICIPLES = """
    written:wrote taken:took given:gave begun:began drawn:drew chosen:chose driven:drove broken:broke shown:showed
    done:did seen:saw spoken:spoke worn:wore thrown:threw forgotten:forgot beaten:beat sung:sang stolen:stole
    eaten:ate grown:grew overthrown:overthrew hidden:hid sworn:swore built:built made:made found:found held:held
    led:led sold:sold won:won brought:brought taught:taught sent:sent bought:bought caught:caught read:read
    cut:cut put:put set:set
"""
PAST: dict[str, str] = {participle: past for participle, _, past in (pair.partition(":") for pair in PARTICIPLES.split())}


@dataclass(frozen=True)
class Question:
    """`answer` is None where the sentence leaves open what is asked; then `absent` says what a passage must not hold."""

    text: str
    answer: Span | None
    kind: str
    absent: str = ""


@dataclass(frozen=True)
class Phrase:
    head: Token
    span: Span

    @property
    def text(self) -> str:
        return lowered(self.span)


@dataclass(frozen=True)
class Clause:
    verb: Token
    subject: Span
    name: str | None  # what a question may call the subject; None where only the text around it would tell
    helpers: tuple[str, ...]
    adverb: str
    phrases: tuple[Phrase, ...]

    def verb_phrase(self) -> list[str]:
        return [*self.helpers, self.adverb, self.verb.text]

    def inverted(self) -> list[str] | None:
        """Helper, subject and verb in the order of a question."""
        if self.name is None:
            return None
        if self.helpers:
            return [self.helpers[0], self.name, *self.helpers[1:], self.adverb, self.verb.text]
        if self.verb.lemma_ == "be":
            return [self.verb.text, self.name, self.adverb]
        do = {"VBD": "did", "VBZ": "does", "VBP": "do"}.get(self.verb.tag_)
        return [do, self.name, self.adverb, self.verb.lemma_] if do else None

    def others(self, *asked: Phrase, draw: random.Random) -> list[str]:
        """The phrases that a question keeps beside the one it asks for: every argument, most of the rest."""
        kept = []
        for phrase in sorted(self.phrases, key=lambda p: p.head.i < self.verb.i):
            needed = phrase.head.dep_ in ARGUMENTS or phrase.head.i == self.verb.i + 1
            if phrase not in asked and phrase.head.dep_ != "advcl" and draw.random() < (1.0 if needed else 0.6):
                kept.append(phrase.text)
        return kept


def sentence(*parts: str) -> str:
    """The words as a question: spacing mended, a capital in front, a question mark behind."""
    text = re.sub(r"\s+([,.?'’])", r"\1", " ".join(p for p in parts if p))
    text = re.sub(r"\s+", " ", text).replace("- ", "-").strip(" ,.-–")
    return text[0].upper() + text[1:] + "?"


def lowered(span: Span) -> str:
    """The text as it stands inside a sentence."""
    first, text = span[0], span.text.strip()
    named = first.ent_type_ not in ("", "DATE", "CARDINAL") or first.tag_ in ("NNP", "NNPS") or text == "I"
    return text if named else text[0].lower() + text[1:]


def core(span: Span) -> Span:
    """The span without the relative clauses and appositions that trail its head, and without punctuation at its edges."""
    end = span.end
    for token in span:
        trailing = token.dep_ in ("relcl", "acl", "appos") and token.i > span.root.i and token.head.i >= span.start
        if trailing or (token.text in "();:–" and token.i > span.root.i):
            end = min(end, token.left_edge.i if trailing else token.i)
    start, end = span.start, max(end, span.root.i + 1)
    while end - start > 1 and span.doc[end - 1].text in (",", "(", "-", "–", ";", '"', "and"):
        end -= 1
    while end - start > 1 and span.doc[start].text in (",", '"', "(", "both", "either"):
        start += 1
    return span.doc[start:end]


def whole(token: Token) -> Span:
    return core(token.doc[token.left_edge.i : token.right_edge.i + 1])


def subject_name(span: Span, topic: str, person: bool, draw: random.Random) -> str | None:
    """What a question calls it: pronouns become the topic of an article on a person, `a` becomes `the`."""
    short = topic.split()[-1] if person and draw.random() < 0.4 else topic
    first = span[0].lower_
    if len(span) == 1 and first in ("he", "she"):
        return short if person else None
    if first in ("his", "her") and person and len(span) > 1:
        return f"{short}'s {span[1:].text}"
    if span.root.pos_ not in ("NOUN", "PROPN") or any(t.lower_ in POINTING or t.tag_ in ("PRP$", "PRP") for t in span):
        return None
    if first in ("a", "an") and len(span) > 1:
        return "the " + span[1:].text
    return lowered(span)


def clauses(sent: Span, topic: str, person: bool, draw: random.Random) -> Iterator[Clause]:
    for verb in sent:
        if verb.pos_ not in ("VERB", "AUX") or verb.dep_ not in ("ROOT", "conj", "ccomp", "advcl", "relcl", "acl"):
            continue
        if any(c.dep_ in ("neg", "expl") for c in verb.children) or verb.lemma_ in ("seem", "appear", "let"):
            continue
        found = subject_of(verb)
        if found is None:
            continue
        subject, helpers = found
        if any(t.tag_ in ("WDT", "WP", "WP$") for t in subject) or not all(re.fullmatch("[A-Za-z]+", h) for h in helpers):
            continue
        if len(subject) > 9 or (not helpers and verb.tag_ in ("VBN", "VBG", "VB")):
            continue
        adverbs = [c.text for c in verb.lefts if c.dep_ == "advmod" and c.lower_ in ADVERBS]
        phrases = []
        for child in verb.children:
            right = child.i > verb.i and child.dep_ in (*ARGUMENTS, "prep", "agent", "npadvmod", "advcl", "ccomp")
            front = child.i < verb.i and child.dep_ == "prep" and child.right_edge.i < subject.start
            relative = any(t.tag_ in ("WDT", "WP", "WP$") for t in whole(child)[:3])
            if (right or front) and not relative:
                phrases.append(Phrase(child, whole(child)))
        yield Clause(
            verb, subject, subject_name(subject, topic, person, draw), helpers, adverbs[0] if adverbs else "", tuple(phrases)
        )


ADVERBS = {
    "first",
    "originally",
    "finally",
    "mainly",
    "later",
    "initially",
    "officially",
    "eventually",
    "usually",
    "often",
    "still",
}


def subject_of(verb: Token) -> tuple[Span, tuple[str, ...]] | None:
    """The subject of a verb and its helpers, found in the verb before it or in the noun that its clause describes."""
    helpers = tuple(c.text for c in verb.lefts if c.dep_ in ("aux", "auxpass") and c.lower_ != "to")
    if any(c.lower_ == "to" and c.dep_ == "aux" for c in verb.lefts):
        return None
    own = [c for c in verb.children if c.dep_ in ("nsubj", "nsubjpass")]
    if len(own) == 1 and own[0].i < verb.i:
        if own[0].tag_ not in ("WP", "WDT"):
            return whole(own[0]), helpers
        return described(verb, helpers) if verb.dep_ == "relcl" else None
    if own:
        return None
    if verb.dep_ == "acl" and verb.tag_ == "VBN" and verb.lower_ not in ("called", "named", "known"):
        return described(verb, ("were" if verb.head.tag_ in ("NNS", "NNPS") else "was",))
    if verb.dep_ == "conj" and verb.head.pos_ in ("VERB", "AUX"):
        found = subject_of(verb.head)
        if found is not None:
            same = verb.head.tag_ == verb.tag_ or verb.tag_ in ("VBN", "VBG", "VB")
            return found[0], helpers or (found[1] if same else ())
    return None


def described(verb: Token, helpers: tuple[str, ...]) -> tuple[Span, tuple[str, ...]] | None:
    noun = verb.head
    if noun.dep_ == "attr":  # 'She was the first who ...': rather she than the first
        subjects = [c for c in noun.head.children if c.dep_ == "nsubj"]
        return (whole(subjects[0]), helpers) if subjects and subjects[0].tag_ not in ("WP", "WDT") else None
    if noun.pos_ not in ("NOUN", "PROPN"):
        return None
    return core(noun.doc[noun.left_edge.i : max(noun.i + 1, verb.left_edge.i)]), helpers


def asks_for(span: Span, draw: random.Random) -> str:
    """The interrogative for a noun phrase."""
    root, labels = span.root, {t.ent_type_ for t in span}
    if root.ent_type_ == "PERSON" or (root.tag_ == "NNP" and "PERSON" in labels):
        return draw.choice(["who", "who", "who", "which person"])
    if root.ent_type_ == "NORP" or root.lemma_.lower() in PEOPLE or WORK.fullmatch(root.lemma_.lower()):
        return "who"
    if root.ent_type_ == "GPE":
        return draw.choice(["which place", "what", "which country or city", "which place"])
    if root.ent_type_ == "ORG":
        return draw.choice(["which organization", "what", "who"])
    if root.ent_type_ in PLACES:
        return draw.choice(["what", "which place"])
    noun = re.fullmatch("[a-z]{3,}", root.text)
    if noun and root.tag_ == "NN" and len(span) > 1 and span[-1] == root and span[-2].dep_ in ("amod", "compound"):
        return draw.choice(["what", "what", f"which {root.text}", f"what kind of {root.text}"])
    if noun and root.tag_ == "NNS" and len(span) > 1 and span[-1] == root and draw.random() < 0.3:
        return f"which {root.text}"
    return "what"


def questions(sent: Span, topic: str, person: bool, draw: random.Random) -> Iterator[Question]:
    """All questions about one sentence. `topic` is what the article is about, `person` whether that is he or she."""
    if not 5 <= len(sent) <= 48 or sent.text.rstrip()[-1:] != ".":
        return
    topic = re.sub(r" \(.*\)", "", topic)
    made = [*about_names(sent)]
    for clause in clauses(sent, topic, person, draw):
        made += [*about_subject(clause, draw)]
        for phrase in clause.phrases:
            made += [*about_phrase(clause, phrase, draw)]
        made += [*left_open(clause, draw)]
    for question in made:
        words = question.text.split()
        if 3 <= len(words) <= 24 and not re.search(r'["“”()\[\];:—]', question.text + " " + quoted(question.answer)):
            yield question


def quoted(answer: Span | None) -> str:
    """The lone quotation mark of an answer that breaks off inside a quotation."""
    return '"' if answer is not None and answer.text.count('"') % 2 else ""


def about_subject(clause: Clause, draw: random.Random) -> Iterator[Question]:
    subject = clause.subject
    if subject.root.pos_ not in ("PROPN", "NOUN") or any(t.lower_ in POINTING | {"some", "many"} for t in subject):
        return
    rest = clause.others(draw=draw)
    if not rest:
        return
    owner = [t for t in subject if t.dep_ == "poss" and t.head == subject.root and t.ent_type_ in ("PERSON", "ORG", "GPE")]
    if owner and subject[-1] == subject.root:
        noun = subject.doc[owner[0].i + 2 : subject.end].text
        yield Question(sentence("whose", noun, *clause.verb_phrase(), *rest), whole_name(owner[0]), "whose")
    number = [c for c in subject.root.children if c.dep_ == "nummod" and c.ent_type_ == "CARDINAL"]
    if number and subject.root.tag_ == "NNS":
        noun = subject.doc[number[0].i + 1 : subject.end].text
        yield Question(sentence("how many", noun, *clause.verb_phrase(), *rest), whole(number[0]), "how many")
        return
    wh = asks_for(subject, draw)
    if wh.startswith(("which p", "which o", "which c")) and subject.root.tag_ in ("NNS", "NNPS"):
        wh = "what"
    yield Question(sentence(wh, *clause.verb_phrase(), *rest), subject, "subject")


def about_phrase(clause: Clause, phrase: Phrase, draw: random.Random) -> Iterator[Question]:
    head, dep = phrase.head, phrase.head.dep_
    front = clause.inverted()
    if dep in ("prep", "agent"):
        yield from about_preposition(clause, phrase, draw)
    if front is None:
        return
    rest = clause.others(phrase, draw=draw)
    if dep in ("dobj", "attr", "oprd") and head.pos_ != "PRON":
        number = [c for c in head.children if c.dep_ == "nummod" and c.ent_type_ in ("CARDINAL", "QUANTITY")]
        owner = [c for c in head.children if c.dep_ == "poss" and c.ent_type_ == "PERSON"]
        if number and head.tag_ == "NNS":
            noun = head.doc[number[0].i + 1 : head.i + 1].text
            yield Question(sentence("how many", noun, *front, *rest), whole(number[0]), "how many")
        elif head.ent_type_ in ("MONEY", "PERCENT"):
            yield Question(sentence("how much", *front, *rest), phrase.span, "how much")
        elif dep == "attr" and clause.verb.lemma_ == "be":
            if any(p.head.dep_ == "acomp" for p in clause.phrases):
                return
            who = head.lemma_.lower() in PEOPLE or clause.subject.root.ent_type_ == "PERSON"
            yield Question(sentence("who" if who else "what", *front, *rest), phrase.span, "attribute")
        else:
            if owner and phrase.span[-1] == head:
                noun = head.doc[owner[0].i + 2 : head.i + 1].text
                yield Question(sentence("whose", noun, *front, *rest), whole_name(owner[0]), "whose")
            yield Question(sentence(asks_for(phrase.span, draw), *front, *rest), phrase.span, "object")
    elif dep == "acomp":
        measure = [c for c in head.lefts if c.dep_ == "npadvmod"]
        number = [t for m in measure for t in m.subtree if t.like_num]
        if number and head.tag_ == "JJ" and head.lower_ in ADJECTIVES and clause.verb.lemma_ == "be":
            yield Question(sentence("how", head.text, *front), whole(measure[0]), "how far")
    elif dep == "npadvmod" and head.ent_type_ in TIMES:
        yield Question(sentence("when", *front, *rest), phrase.span, "when")
    elif dep == "xcomp" and any(c.lower_ == "to" and c.dep_ == "aux" for c in head.lefts) and clause.verb.lemma_ in WISHES:
        yield Question(sentence("what", *front, "to do"), phrase.span, "what to do")
    elif dep == "ccomp" and clause.verb.lemma_ in SAYINGS and head.left_edge.i > clause.verb.i:
        yield Question(sentence("what", *front, *rest), phrase.span, "what said")
    elif dep == "advcl":
        yield from about_adverbial_clause(front, rest, phrase)


ADJECTIVES = {"long", "wide", "high", "tall", "deep", "old", "thick", "large", "far", "broad", "effective", "away"}
WISHES = {"want", "try", "attempt", "decide", "refuse", "agree", "hope", "begin", "help", "promise", "order", "plan"}
SAYINGS = {
    "say",
    "believe",
    "argue",
    "claim",
    "find",
    "suggest",
    "think",
    "state",
    "show",
    "note",
    "write",
    "declare",
    "discover",
}


def about_adverbial_clause(front: list[str], rest: list[str], phrase: Phrase) -> Iterator[Question]:
    head = phrase.head
    mark = next((c.lower_ for c in head.children if c.dep_ == "mark"), "")
    to = any(c.lower_ == "to" and c.dep_ == "aux" for c in head.lefts)
    when = next((c.lower_ for c in head.children if c.dep_ == "advmod" and c.lower_ == "when"), "")
    if to and front[0] in ("is", "was", "are", "were") and len(front) <= 3:
        return
    if mark == "because" or (to and head.tag_ == "VB") or (mark == "that" and phrase.span[0].lower_ == "so"):
        yield Question(sentence("why", *front, *rest), phrase.span, "why")
    elif mark in ("after", "before", "until", "while") or when:
        yield Question(sentence("when", *front, *rest), phrase.span, "when")


def about_preposition(clause: Clause, phrase: Phrase, draw: random.Random) -> Iterator[Question]:
    head, word = phrase.head, phrase.head.lower_
    inner = [c for c in head.children if c.dep_ in ("pobj", "pcomp")]
    front = clause.inverted()
    if front is None or not inner:
        return
    thing, label = whole(inner[0]), inner[0].ent_type_
    rest = clause.others(phrase, draw=draw)
    if inner[0].dep_ == "pcomp":
        if word == "by" and inner[0].tag_ == "VBG":
            yield Question(sentence("how", *front, *rest), phrase.span, "how")
        elif word in ("because", "due"):
            yield Question(sentence("why", *front, *rest), phrase.span, "why")
        return
    age = [t for t in thing if t.like_num]
    if word in ("because", "due"):
        yield Question(sentence("why", *front, *rest), phrase.span, "why")
    elif word == "at" and age and thing.text.startswith(("the age", "age")):
        yield Question(sentence("at what age", *front, *rest), age[0].doc[age[0].i : age[-1].i + 1], "how old")
    elif label in TIMES and word == "for":
        yield Question(sentence("how long", *front, *rest), thing, "how long")
    elif label in TIMES and word in ("in", "on", "at", "during", "since", "until", "by", "around"):
        if re.fullmatch(r"(1\d|20)\d\d", thing.text):
            forms = ["when", "when", "in what year", "in which year"]
        else:
            forms = ["when", "when", "when", *(["at what time"] if label == "TIME" else [])]
        wh = {"since": "since when", "until": "until when"}.get(word) or draw.choice(forms)
        yield Question(sentence(wh, *front, *rest), thing, "when")
    elif label in PLACES and word in ("in", "at", "near", "to", "from", "on"):
        wh = draw.choice({"in": ["where", "where", "in which place", "in what country or city"]}.get(word, ["where"]))
        yield Question(sentence(wh, *front, *rest, "from" if word == "from" else ""), thing, "where")
    elif word == "by" and clause.verb.tag_ == "VBN" and clause.helpers:
        who = "who" if label in ("PERSON", "NORP") or inner[0].lemma_.lower() in PEOPLE else draw.choice(["who", "what"])
        verb = clause.verb
        past = PAST.get(verb.lower_) or (verb.lower_ if verb.lower_.endswith("ed") else None)
        if (
            past
            and clause.helpers
            and clause.helpers[-1].lower() in ("was", "were", "been", "is", "are")
            and draw.random() < 0.7
        ):
            yield Question(sentence(who, past, clause.name or "", *rest), thing, "agent")
        else:
            wh = "whom" if who == "who" else "what"
            text = draw.choice([["by", wh, *front, *rest], [who, *front, *rest, "by"]])
            yield Question(sentence(*text), thing, "by")
    elif len(thing) <= 7 and inner[0].pos_ in ("NOUN", "PROPN") and word in STRANDED and label not in TIMES:
        wh = asks_for(thing, draw)
        if draw.random() < 0.35:
            yield Question(sentence(word, re.sub("^who$", "whom", wh), *front, *rest), thing, "preposition")
        else:
            yield Question(sentence(wh, *front, *rest, word), thing, "preposition")


STRANDED = {"for", "with", "from", "of", "to", "about", "against", "into", "on", "through", "as", "at", "in", "under"}


def about_names(sent: Span) -> Iterator[Question]:
    """Nationality and profession before a name, appositions behind one, and what something is called."""
    for name in sent.ents:
        if name.label_ != "PERSON" or len(name) > 4:
            continue
        start = name.start
        while start > sent.start and sent.doc[start - 1].tag_ == "NN" and sent.doc[start - 1].lower_.isalpha():
            start -= 1
        profession = sent.doc[start : name.start]
        before = sent.doc[start - 1] if start > sent.start else None
        if len(profession) and (profession[-1].lower_ in PEOPLE or WORK.fullmatch(profession[-1].lower_)):
            text = [
                ("What was the profession of", name.text),
                ("What was", name.text + "'s", "profession"),
                ("What did", name.text, "do for a living"),
                ("What was", name.text + "'s", "job"),
            ]
            yield Question(sentence(*text[name.start % 4]), profession, "profession")
            if before is not None and before.tag_ == "JJ" and before.ent_type_ == "NORP":
                form = [
                    ("What nationality was", name.text),
                    ("What was the nationality of", name.text),
                    ("Which nationality did", name.text, "have"),
                ]
                yield Question(sentence(*form[name.start % 3]), sent.doc[before.i : before.i + 1], "nationality")
                yield Question(sentence("Who was the", before.text, profession.text), sent.doc[name.start : name.end], "name")
    for token in sent:
        before = token.doc[token.head.left_edge.i : token.head.i + 1]
        if token.dep_ == "appos" and len(before) <= 8 and any(t.text == "," for t in token.doc[token.head.i : token.i]):
            if token.ent_type_ == "PERSON" and token.head.pos_ == "NOUN" and not has_pronoun(before):
                yield Question(sentence("who was", lowered(before)), whole_name(token), "apposition")
            elif token.head.pos_ == "PROPN" and token.pos_ == "NOUN" and len(whole(token)) > 1:
                wh = "who" if token.head.ent_type_ == "PERSON" else "what"
                plural = token.tag_ == "NNS"
                yield Question(
                    sentence(wh, "are" if plural else "was" if wh == "who" else "is", before.text), whole(token), "apposition"
                )
        elif token.dep_ == "acl" and token.lower_ in ("called", "named") and token.head.pos_ == "NOUN" and len(before) < 7:
            named = [c for c in token.children if c.dep_ in ("oprd", "attr", "dobj")]
            if named and not has_pronoun(before):
                thing = re.sub("^(a|an) ", "the ", lowered(before))
                yield Question(sentence("what is the name of", thing), whole(named[0]), "called")


def has_pronoun(span: Span) -> bool:
    return any(t.tag_ in ("PRP", "PRP$") or t.lower_ in POINTING for t in span)


def whole_name(token: Token) -> Span:
    """The named entity around a token."""
    name = next((e for e in token.sent.ents if e.start <= token.i < e.end), token.doc[token.i : token.i + 1])
    return name[:-1] if name[-1].tag_ == "POS" and len(name) > 1 else name


AMOUNTS = {"more", "many", "few", "several", "additional", "various", "numerous", "some", "most", "steps", "plans"}


def left_open(clause: Clause, draw: random.Random) -> Iterator[Question]:
    """Circumstances that a clause does not mention: its time, place, reason, number, or who did it."""
    front = clause.inverted()
    finite = clause.verb.tag_ in ("VBD", "VBN") and (not clause.helpers or clause.helpers[0].lower() in ("was", "were"))
    if front is None or not finite or clause.verb.lemma_ in ("be", "have", "include", "become"):
        return
    rest = [p.text for p in clause.phrases if p.head.dep_ in ARGUMENTS and len(p.span) <= 8]
    near = [p.text for p in clause.phrases if p.head.dep_ == "prep" and p.head.i == clause.verb.i + 1 and len(p.span) <= 6]
    kept = [*rest, *near]
    if not kept and not clause.helpers:
        return
    yield Question(sentence("when", *front, *kept), None, "open: when", "time")
    yield Question(sentence("where", *front, *kept), None, "open: where", "place")
    yield Question(sentence("why", *front, *kept), None, "open: why", "reason")
    passive = bool(clause.helpers) and clause.verb.tag_ == "VBN"
    past = PAST.get(clause.verb.lower_) or (clause.verb.lower_ if clause.verb.lower_.endswith("ed") else None)
    if passive and past and not any(p.head.dep_ == "agent" or p.head.lower_ == "by" for p in clause.phrases):
        yield Question(sentence("who", past, clause.name or ""), None, "open: who", "agent")
    for phrase in clause.phrases:
        head = phrase.head
        plain = all(t.dep_ in ("amod", "compound", "dobj") and t.lower_ not in POINTING | AMOUNTS for t in phrase.span)
        if head.dep_ == "dobj" and head.tag_ == "NNS" and plain:
            yield Question(sentence("how many", phrase.text, *front), None, "open: how many", "number")
