import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CorpusEntry, Model, SearchAnswer } from "../src/api/types";
import {
  barsOf, beginning, chosenCorpus, chosenLayer, chosenToken, corpusBody, cost, duration, everythingCsv, firstEncoder, free, type Hit, type Histogram, histogramsCsv,
  hitsCsv, MOST_BYTES, offsetsOf, pieces, plain, pText, ruleOf, size, sorted, spacesOf, summary, tagAt, toggled, type Token, usual, wrongName, wrongText,
} from "../src/lib/corpus";
import { broken, drawing } from "../src/views/corpus/figure";

const word = (text: string, start: number, pos = "NOUN") => ({ text, start, end: start + text.length, pos, dep: "pobj", ent: "" });
const SENTENCE = "The bank of the river was steep.";
const bank = word("bank", 4);
const hit: Hit = {
  similarity: 0.75, sentence: SENTENCE, start: 4, end: 8, match: "bank", token: 2, row: 3, word: bank, next: word("of", 9, "ADP"), attended: word("river", 16),
  attention: 0.25, offset: 3, around: [null, null, word("The", 0, "DET"), bank, word("of", 9, "ADP"), word("the", 12, "DET"), word("river", 16)],
};
const histogram: Histogram = {
  of: "match", kind: "pos", names: ["NOUN", "VERB", ""], counts: [9, 1, 0], total: 10, shares: [0.9, 0.1, 0], base: [0.2, 0.1, 0.7], low: [0.55, 0, 0], high: [0.99, 0.4, 0.3],
  p: [0.0001, 1, 0.0002],
};
const answer: SearchAnswer = { query: { text: SENTENCE, token: 2, match: "bank" }, layer: 4, by: "hidden", heads: [0, 1], candidates: 100, hits: [hit], histograms: [histogram], notes: [] };

describe("building a corpus", () => {
  it("begins with the encoder that was trained for meaning, where it is there", () => {
    const model = (name: string, ready: boolean) => ({ name, ready }) as Model;
    expect(firstEncoder([model("rater", true), model("minilm", true), model("minilm-qa", true)])).toBe("minilm");
    expect(firstEncoder([model("minilm", false), model("rater", true)])).toBe("rater");
    expect(firstEncoder([])).toBe("");
  });
  it("asks for what was chosen and for no more", () => {
    expect(corpusBody({ name: "a", model: "minilm", text: null, limit: 60_000, layers: null, heads: true })).toEqual({ kind: "corpus", name: "a", model: "minilm", shipped: true, heads: true, limit_characters: 60_000 });
    expect(corpusBody({ name: "a", model: "minilm", text: "Hello.", limit: null, layers: [2], heads: false })).toEqual({ kind: "corpus", name: "a", model: "minilm", shipped: false, heads: false, text: "Hello.", layers: [2] });
  });
  it("says roughly what it costs", () => {
    const every = spacesOf([0, 1, 2, 3, 4, 5, 6], true);
    expect(every).toBe(13);
    expect(cost(60_000, every).seconds).toBeLessThan(60);
    // as it came out for 60,000 and 120,000 characters of the shipped text
    expect(cost(60_000, every).bytes).toBeCloseTo(29.8e6, -6.3);
    expect(cost(120_000, spacesOf([0, 3, 6], false)).bytes).toBeCloseTo(20.5e6, -6.3);
    expect(size(cost(3_670_000, every).bytes)).toBe("1.4 GB");
    expect([3, 17, 54, 55, 80, 95, 480].map(duration)).toEqual(["5 s", "15 s", "55 s", "1 minute", "1 minute", "2 minutes", "8 minutes"]);
  });
  it("has a name that the server takes, whatever a file is called", () => {
    expect(free("Émile & Sophie.txt", [])).toBe("emile-sophie");
    expect(free("…", [])).toBe("my-text");
    expect(free("book", ["book", "book-2"])).toBe("book-3");
    fc.assert(fc.property(fc.string({ unit: "binary" }), fc.array(fc.string()), (wish, taken) => {
      expect(free(wish, taken)).toMatch(/^[a-z0-9][a-z0-9-]{0,39}$/);
      expect(wrongName(free(wish, taken), taken)).toBe("");
    }));
    expect(wrongName("Book", [])).toContain("a to z");
    expect(wrongName("book", ["book"])).toContain("already");
  });
  it("takes of a text that is too long its beginning, to the end of a line or sentence", () => {
    const long = "A sentence with an “é”. ".repeat(60_000);
    expect(wrongText(long)).toContain("at most 1.0 MB");
    const cut = beginning(long);
    expect(wrongText(cut)).toBe("");
    expect(cut.endsWith("é”.")).toBe(true);
    expect(new TextEncoder().encode(JSON.stringify(cut)).length).toBeGreaterThan(0.99 * MOST_BYTES);
    expect(beginning("short")).toBe("short");
    expect(wrongText(" \n")).toContain("Paste a text");
  });
  it("refuses files that are no text", () => {
    expect(plain(new TextEncoder().encode("Füße").buffer as ArrayBuffer, "a.txt")).toBe("Füße");
    expect(() => plain(Uint8Array.of(70, 252, 223).buffer as ArrayBuffer, "latin.txt")).toThrow("latin.txt is no text in UTF-8");
    expect(() => plain(Uint8Array.of(80, 75, 0, 4).buffer as ArrayBuffer, "a.docx")).toThrow("no plain text");
  });
});

describe("the query", () => {
  const token = (index: number, text: string, part = 0): Token => ({ index, text, piece: text, start: 0, end: 0, word: index, role: "question", part, masked: false });
  const tokens = [token(0, "[CLS]", -1), token(1, "a"), token(2, "long"), token(3, "[SEP]", -1)];
  it("is a token of the text, the longest when none was chosen or the chosen one is not there", () => {
    expect(chosenToken(tokens, 1)?.index).toBe(1);
    for (const wanted of [null, 0, 3, 99, 1.5, -0.1]) expect(chosenToken(tokens, wanted)?.index).toBe(2);
    expect(chosenToken([], null)).toBeNull();
  });
  it("is at a layer that was built", () => {
    expect(chosenLayer([0, 1, 2, 3, 4, 5, 6], null)).toBe(4);
    expect(chosenLayer([1, 6], 2)).toBe(6);
    expect(chosenLayer([1, 6], 1)).toBe(1);
    expect(chosenLayer([], null)).toBeNull();
  });
  it("is of heads that are switched one by one", () => {
    expect(toggled(null, 1, 3)).toEqual([0, 2]);
    expect(toggled([0, 2], 1, 3)).toBeNull();
    expect(toggled([], 1, 3)).toEqual([1]);
  });
  it("is asked of the first corpus that can be searched, or of the named one", () => {
    const entry = (name: string, why_not: string | null = null): CorpusEntry => ({ name, encoder: "e", layers: [1], head_layers: [], tokens: 1, sentences: 1, text_bytes: 1, disk_bytes: 1, why_not });
    const corpora = [entry("a", "damaged"), entry("b")];
    expect(chosenCorpus(corpora, "")?.name).toBe("b");
    expect(chosenCorpus(corpora, "a")?.name).toBe("a");
    expect(chosenCorpus(corpora, "c")).toBeNull();
    expect(chosenCorpus([], "")).toBeNull();
  });
});

describe("a hit", () => {
  it("has its marks where they stand", () => {
    const found = pieces(hit);
    expect(found.map(({ text }) => text).join("")).toBe(SENTENCE);
    expect(found.filter(({ match }) => match).map(({ text }) => text)).toEqual(["bank"]);
    expect(found.filter(({ next }) => next).map(({ text }) => text)).toEqual(["of"]);
    expect(found.filter(({ attended }) => attended).map(({ text }) => text)).toEqual(["river"]);
  });
  it("of a long sentence shows what is near the match and the attended word, in whole words", () => {
    const before = "many words come before it ".repeat(30);
    const after = " and many words come behind it".repeat(30);
    const sentence = `${before}${SENTENCE}${after} a far one.`;
    const at = before.length;
    const far = sentence.lastIndexOf("far");
    const long: Hit = { ...hit, sentence, start: at + 4, end: at + 8, next: word("of", at + 9), attended: word("far", far) };
    const found = pieces(long);
    expect(found[0]?.gap).toBe(true);
    expect(found.filter(({ gap }) => gap)).toHaveLength(2);
    expect(found.map(({ text }) => text).join("").length).toBeLessThan(320);
    for (const { text, gap } of found) if (!gap) expect(sentence).toContain(text);
    expect(found.filter(({ attended }) => attended).map(({ text }) => text)).toEqual(["far"]);
    expect(found[1]?.text).toMatch(/^(many|words|come|before|it) /);
  });
  it("may be its own next or most attended word, and may be a part of a word", () => {
    const found = pieces({ ...hit, start: 4, end: 6, match: "ba", attended: bank, next: null });
    expect(found.filter(({ match }) => match).map(({ text }) => text)).toEqual(["ba"]);
    expect(found.filter(({ attended }) => attended).map(({ text }) => text)).toEqual(["ba", "nk"]);
  });
  it("loses nothing and repeats nothing, whatever the marks", () => {
    const place = fc.tuple(fc.nat(60), fc.nat(12)).map(([start, length]) => ({ start, end: start + length }));
    fc.assert(fc.property(fc.string({ minLength: 80, maxLength: 90 }), place, place, place, (sentence, a, b, c) => {
      const made: Hit = { ...hit, sentence, ...a, next: { ...bank, ...b }, attended: { ...bank, ...c } };
      expect(pieces(made).map(({ text }) => text).join("")).toBe(sentence);
      const short = pieces(made, 20);
      const kept = short.filter(({ gap }) => !gap).map(({ text }) => text).join("");
      expect(kept.length).toBeLessThanOrEqual(sentence.length);
      expect(short.filter(({ match }) => match).map(({ text }) => text).join("")).toBe(sentence.slice(a.start, a.end));
    }));
  });
  it("is in lines without losing a word", () => {
    const lines = broken(pieces(hit), 12);
    expect(lines.map((line) => line.map(({ text }) => text).join("")).join("")).toBe(SENTENCE);
    for (const line of lines) expect(line.map(({ text }) => text).join("").trimEnd().length).toBeLessThanOrEqual(12);
  });
  it("has tags at offsets, of which the most frequent is known", () => {
    expect(offsetsOf(1)).toEqual([-1, 0, 1]);
    expect(offsetsOf(9)).toHaveLength(7);
    expect([-2, -1, 0, 1].map((offset) => tagAt(hit, offset, "pos"))).toEqual(["", "DET", "NOUN", "ADP"]);
    expect(tagAt(hit, 0, "ent")).toBe("none");
    expect(usual([hit, hit, { ...hit, around: [] }], 1, "pos")).toBe("ADP");
    expect(usual([hit], 1, "pos")).toBe("");
  });
  it("comes in the wanted order, equals by similarity", () => {
    const hits = [hit, { ...hit, match: "Abbey", row: 1 }, { ...hit, row: 0, word: word("x", 0, "ADJ") }];
    const rows = (order: Parameters<typeof sorted>[1]) => sorted(hits, order, "pos").map(({ row }) => row);
    expect(rows("similarity")).toEqual([3, 1, 0]);
    expect(rows("text")).toEqual([0, 1, 3]);
    expect(rows("match")).toEqual([1, 3, 0]);
    expect(rows("tag")).toEqual([0, 3, 1]);
  });
});

describe("histograms", () => {
  it("say what is more frequent than in the corpus, only where that is no chance", () => {
    expect(barsOf(histogram).map(({ name, verdict }) => [name, verdict])).toEqual([["NOUN", "more"], ["VERB", ""], ["none", "less"]]);
    expect(barsOf({ ...histogram, p: [0.02, 1, 0.9] }).map(({ verdict }) => verdict)).toEqual(["", "", ""]);
    expect(summary(histogram)).toBe("more often than in the corpus: NOUN (noun); less often: none (in no entity).");
    expect(summary({ ...histogram, p: [1, 1, 1] })).toBe("no tag stands out against the corpus.");
  });
  it("of offsets have no base", () => {
    const far = { ...histogram, kind: "offset", names: ["-1", "+2"], base: null, p: null };
    expect(barsOf(far).map(({ base, p, verdict }) => [base, p, verdict])).toEqual([[null, null, ""], [null, null, ""]]);
    expect(summary(far)).toBe("");
  });
  it("say p without a false zero", () => expect([0.00001, 0.001, 0.5, 1, null].map(pText)).toEqual(["<0.001", "0.001", "0.500", "1.000", ""]));
});

describe("exports", () => {
  it("hold every number", () => {
    expect(hitsCsv(answer).split("\r\n")[1]).toBe("1,0.75,bank,The bank of the river was steep.,4,8,3,2,NOUN,pobj,,of,ADP,river,NOUN,0.25,3");
    expect(histogramsCsv(answer).split("\r\n").slice(1, 4)).toEqual(["match,pos,NOUN,9,10,0.9,0.55,0.99,0.2,0.0001", "match,pos,VERB,1,10,0.1,0,0.4,0.1,1", "match,pos,none,0,10,0,0,0.3,0.7,0.0002"]);
    const [head, ...rows] = everythingCsv(answer).trimEnd().split("\r\n");
    expect(new Set([head, ...rows].map((row) => row?.split(",").length)).size).toBe(1);
    expect(rows.map((row) => row.split(",")[0])).toEqual(["hit", "tag", "tag", "tag"]);
  });
  it("are drawn as vectors with title, facts and legend", () => {
    const made = drawing({ title: "Where <else>?", facts: ["minilm & layer 4"], hits: [hit], offsets: [-1, 0], tag: "pos", histograms: [histogram] });
    expect(made.text).toContain("Where &lt;else&gt;?");
    expect(made.text).toContain("minilm &amp; layer 4");
    expect(made.text).toMatch(/<tspan [^>]*>bank ?<\/tspan>/);
    expect(made.text).toContain("the word that it attends to most");
    expect(made.text).not.toContain("NaN");
  });
  it("name the rule", () => {
    expect(ruleOf(answer, 12)).toBe("cosine of the hidden states");
    expect(ruleOf({ ...answer, by: "heads", heads: [3] }, 12)).toBe("mean cosine of what head 3 puts out");
    expect(ruleOf({ ...answer, by: "heads", heads: [0, 1] }, 2)).toBe("mean cosine of what all heads put out");
  });
});
