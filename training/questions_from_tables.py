"""Questions about countries, chemical elements and airports: short passages written out from tables.

A passage states a few facts about one to three entities of a table; a question asks for one of the facts, or for one that the
passage leaves out. One entity in seven is held out.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Facts = dict[str, str]


class Relation(NamedTuple):
    statements: list[str]  # {e} is the entity, {v} its value
    questions: list[str]


COUNTRY = {
    "capital": Relation(
        ["The capital of {e} is {v}.", "{v} is the capital and the centre of public life in {e}.",
         "Since independence the capital of {e} has been {v}.", "Most embassies to {e} are found in the capital, {v}."],
        ["What is the capital of {e}?", "Which city is the capital of {e}?", "What is {e}'s capital city?",
         "From which city is {e} governed?"],
    ),
    "population": Relation(
        ["{e} has a population of {v}.", "About {v} people live in {e}.", "The last census counted {v} inhabitants in {e}.",
         "{e} is home to {v} people."],
        ["How many people live in {e}?", "What is the population of {e}?", "How many inhabitants does {e} have?"],
    ),
    "area": Relation(
        ["{e} covers {v}.", "With an area of {v}, {e} is easily crossed in a day.", "{e} has a total area of {v}."],
        ["What is the area of {e}?", "How large is {e}?", "How much land does {e} cover?"],
    ),
    "region": Relation(
        ["{e} is a country in {v}.", "{e} lies in {v}.", "Geographers count {e} as part of {v}."],
        ["Where is {e}?", "In which part of the world does {e} lie?", "To which region does {e} belong?"],
    ),
    "currency": Relation(
        ["The currency is the {v}, issued by the central bank of {e}.", "People in {e} pay with the {v}.",
         "{e} uses the {v} as its currency.", "The money of {e} is called the {v}."],
        ["What is the currency of {e}?", "Which currency is used in {e}?", "What do people in {e} pay with?"],
    ),
    "language": Relation(
        ["The official language of {e} is {v}.", "In {e} most people speak {v}.", "Schools in {e} teach in {v}."],
        ["Which language is spoken in {e}?", "What is the official language of {e}?", "What language do people in {e} speak?"],
    ),
    "borders": Relation(
        ["{e} has a land border with {v}.", "{e} is bordered by {v}.",
         "Roads lead from {e} to {v}, with which it shares a border."],
        ["Which countries border {e}?", "What does {e} share a border with?", "By what is {e} bordered?"],
    ),
    "demonym": Relation(
        ["A citizen of {e} is called {v}.", "People from {e} are known as {v}.",
         "The best known {v} writer left {e} as a child.", "A {v} engineer built the oldest bridge in {e}."],
        ["What are people from {e} called?", "What is the nationality of someone from {e}?", "What is the demonym of {e}?"],
    ),
}  # fmt: skip
ELEMENT = {
    "symbol": Relation(
        ["The symbol of {e} is {v}.", "Chemists write {v} for {e}.", "{e}, with the symbol {v}, is found in small amounts."],
        ["What is the symbol of {e}?", "What is the chemical symbol for {e}?", "Which letters stand for {e}?"],
    ),
    "number": Relation(
        ["{e} has the atomic number {v}.", "There are {v} protons in every nucleus of {e}.",
         "{e} is element {v} of the periodic table."],
        ["What is the atomic number of {e}?", "How many protons does {e} have?"],
    ),
    "mass": Relation(
        ["{e} has an atomic weight of {v}.", "The atomic mass of {e} was measured as {v}.",
         "An atom of {e} weighs {v} units on average."],
        ["What is the atomic weight of {e}?", "What is the atomic mass of {e}?", "How much does an atom of {e} weigh?"],
    ),
    "density": Relation(
        ["The density of {e} is {v}.", "At room temperature {e} has a density of {v}."],
        ["What is the density of {e}?", "How dense is {e}?"],
    ),
}  # fmt: skip
AIRPORT = {
    "city": Relation(
        ["{e} serves the city of {v}.", "{e} is the airport of {v}.", "Travellers to {v} usually land at {e}."],
        ["Which city is served by {e}?", "What city does {e} serve?"],
    ),
    "country": Relation(
        ["{e} is an airport in {v}.", "{e} is one of the busiest airports of {v}.", "The government of {v} owns {e}."],
        ["In which country is {e}?", "What country is {e} in?"],
    ),
    "code": Relation(
        ["The code of {e} is {v}.", "On luggage labels {e} is written {v}.", "Airlines use the letters {v} for {e}."],
        ["What is the code of {e}?", "Which letters stand for {e}?"],
    ),
    "elevation": Relation(
        ["{e} lies {v} above the sea.", "The runway of {e} has an elevation of {v}.", "At {v}, {e} often has fog."],
        ["How high is {e}?", "What is the elevation of {e}?", "How far above the sea is {e}?"],
    ),
}  # fmt: skip
TABLES = {"country": COUNTRY, "element": ELEMENT, "airport": AIRPORT}
AGAIN = {
    "country": ["It", "The country", "This state"],
    "element": ["It", "This element", "The element"],
    "airport": ["It", "The airport"],
}
SHARES = {"country": 0.5, "element": 0.2, "airport": 0.3}


def countries() -> dict[str, Facts]:
    import countryinfo
    import pycountry

    found = {}
    for path in sorted((Path(countryinfo.__file__).parent / "data").glob("*.json")):
        entry = json.loads(path.read_text(encoding="utf-8"))
        currency = [c for code in entry.get("currencies", []) if (c := pycountry.currencies.get(alpha_3=code))]
        language = [c for code in entry.get("languages", []) if (c := pycountry.languages.get(alpha_2=code))]
        borders = [plain_name(c) for code in entry.get("borders", []) if (c := pycountry.countries.get(alpha_3=code))]
        facts = {
            "capital": entry.get("capital"),
            "population": f"{entry['population']:,}" if entry.get("population") else None,
            "area": f"{int(entry['area']):,} square kilometres" if entry.get("area") else None,
            "region": entry.get("subregion"),
            "currency": currency[0].name if currency else None,
            "language": language[0].name.split(" (")[0] if len(language) == 1 else None,
            "borders": " and ".join(borders) if 1 <= len(borders) <= 2 else None,
            "demonym": entry.get("demonym"),
        }
        kept = {name: value for name, value in facts.items() if isinstance(value, str) and value}
        if len(kept) >= 5:
            found[entry["name"]] = kept
    return found


def plain_name(country: Any) -> str:
    return getattr(country, "common_name", country.name).split(",")[0]


def elements() -> dict[str, Facts]:
    import periodictable

    found = {}
    for element in periodictable.elements:
        if element.number > 0:
            facts = {"symbol": element.symbol, "number": str(element.number), "mass": f"{element.mass:.2f}"}
            if element.density:
                facts["density"] = f"{element.density:.2f} grams per cubic centimetre"
            found[element.name.capitalize()] = facts
    return found


def airports(draw: random.Random) -> dict[str, Facts]:
    import airportsdata
    import pycountry

    found = {}
    for code, airport in sorted(airportsdata.load("IATA").items()):
        country = pycountry.countries.get(alpha_2=airport["country"])
        name, city = airport["name"], airport["city"]
        if country and "International" in name and len(name) < 45 and city and city.lower() not in name.lower():
            elevation = f"{int(airport['elevation'])} feet"
            found[name] = {"city": city, "country": plain_name(country), "code": code, "elevation": elevation}
    return {name: found[name] for name in draw.sample(sorted(found), min(500, len(found)))}


class Stated(NamedTuple):
    text: str
    entity: str = ""
    relation: str = ""
    value: str = ""
    start: int = 0


def table_example(
    table: str, facts: dict[str, Facts], names: list[str], loose: list[str], draw: random.Random
) -> dict[str, Any] | None:
    """One passage with one question; in a fifth of them the passage does not answer it."""
    relations = TABLES[table]
    entities = draw.sample(names, draw.choice([1, 2, 2, 3]))
    stated: list[Stated] = []
    for entity in entities:
        known = draw.sample(sorted(facts[entity]), min(len(facts[entity]), draw.randint(1, 4 if len(entities) == 1 else 3)))
        for place, relation in enumerate(known):
            stated.append(state(table, entity, relation, facts[entity][relation], place > 0, draw))
    told = {(s.entity, s.relation) for s in stated}
    without = draw.random() < 0.2
    if without:  # of an entity that the passage knows, a relation that it leaves out
        left_out = sorted((e, r) for e in entities for r in facts[e] if (e, r) not in told)
        if not left_out:
            return None
        about = next((x for x in left_out if x[1] in {r for _, r in told}), left_out[0])
        asked = Stated("", about[0], about[1])
    else:
        asked = draw.choice(stated)
    question = draw.choice(relations[asked.relation].questions).replace("{e}", shown(table, asked.entity, draw))
    if draw.random() < 0.6 and loose:
        stated.insert(draw.randint(0, len(stated)), Stated(draw.choice(loose)))
    passage, start = "", -1
    for s in stated:
        if s is asked:
            start = len(passage) + s.start
        passage += s.text + " "
    kind = f"{table}: left out" if without else table
    return {"q": question, "c": passage.strip(), "a": asked.value, "s": start, "kind": kind, "t": table}


def state(table: str, entity: str, relation: str, value: str, again: bool, draw: random.Random) -> Stated:
    """A fact in words; after the first about an entity, often with a pronoun for its name."""
    template = draw.choice(TABLES[table][relation].statements)
    name = entity.lower() if table == "element" and not template.startswith("{e}") else entity
    if again and template.startswith("{e} ") and draw.random() < 0.6:
        name = draw.choice(AGAIN[table])
    before, after = template.replace("{e}", name).split("{v}")
    text = before + value + after
    return Stated(text[0].upper() + text[1:], entity, relation, value if before else value[0].upper() + value[1:], len(before))


def shown(table: str, entity: str, draw: random.Random) -> str:
    return entity.lower() if table == "element" and draw.random() < 0.5 else entity


def table_examples(count: int, loose: list[str], draw: random.Random, held_out: int = 200) -> Iterator[dict[str, Any]]:
    """`count` training examples and `held_out` about entities that no training example mentions."""
    for table, facts in {"country": countries(), "element": elements(), "airport": airports(random.Random(3))}.items():
        names = random.Random(2).sample(sorted(facts), len(facts))
        some = len(names) // 7
        for split, most, pool in (
            ("train", round(count * SHARES[table]), names[some:]),
            ("held_out_entities", round(held_out * SHARES[table]), names[:some]),
        ):
            made = 0
            while made < most:
                if example := table_example(table, facts, pool, loose, draw):
                    made += 1
                    yield {**example, "split": split}
