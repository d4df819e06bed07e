/** Corpora: what building one takes, what is searched for, and how hits and their tags are told. Everything here is pure. */
import type { CorpusBody, CorpusEntry, Model, Questions, SearchAnswer } from "../api/types";
import { csv } from "./csv";
import { number } from "./numbers";
import type { CorpusState } from "./states/corpus";

export type Token = Questions["tokens"][1]["tokens"][number];
export type Hit = SearchAnswer["hits"][number];
export type Histogram = SearchAnswer["histograms"][number];
export type Tag = CorpusState["corpusTag"];

// ------------------------------------------------------------------------------------------------------------- building one

/** What a body of JSON may hold, by the server's own bound. */
export const MOST_BYTES = 1_000_000;
/** The text that ships, in the order in which the server joins it. */
export const SHIPPED = [
  { name: "persuasion-beginning", title: "The first chapters of a novel", note: "the beginning of Jane Austen's Persuasion", characters: 60_000, limit: 60_000 },
  { name: "persuasion", title: "The whole novel", note: "Jane Austen's Persuasion", characters: 462_160, limit: 462_160 },
  { name: "novels-and-articles", title: "All that ships", note: "two novels, and 89 articles of Wikipedia", characters: 3_670_000, limit: null },
] as const;

/** Seconds on two cores, and bytes on the disk, of a corpus with that many spaces of vectors: measured with `minilm`. */
export function cost(characters: number, spaces: number): { seconds: number; bytes: number } {
  const tokens = 0.21 * characters;
  const reading = (0.26 + 0.0143 * spaces) / 1000;
  return {
    seconds: 5 + 3.5e-5 * characters + reading * (tokens + Math.min(tokens, 20_000)),
    bytes: Math.min(380 * characters, tokens * spaces * 256) + 500_000 * spaces,
  };
}

/** Hidden states, and what the heads put out from layer 1 on. */
export const spacesOf = (layers: readonly number[], heads: boolean): number => layers.length + (heads ? layers.filter((layer) => layer > 0).length : 0);

export function duration(seconds: number): string {
  if (seconds < 55) return `${Math.max(5, 5 * Math.round(seconds / 5))} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.max(1, minutes)} ${minutes <= 1 ? "minute" : "minutes"}`;
}

export function size(bytes: number): string {
  const [value, unit] = bytes >= 1e9 ? [bytes / 1e9, "GB"] : bytes >= 1e6 ? [bytes / 1e6, "MB"] : [bytes / 1e3, "kB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `0 to 6`, or `1, 3, 4`. */
export const listed = (numbers: readonly number[]): string =>
  numbers.length > 2 && numbers.every((one, n) => one === (numbers[0] ?? 0) + n) ? `${numbers[0]} to ${numbers.at(-1)}` : numbers.join(", ");

export const grouped = (count: number): string => count.toLocaleString("en");

/** A name as the server takes it, from a file's or anything; a number behind it where it is taken. */
export function free(wish: string, taken: readonly string[]): string {
  const plain = wish.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/\.[a-z]+$/i, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 36).replace(/-+$/, "");
  const name = plain || "my-text";
  if (!taken.includes(name)) return name;
  let n = 2;
  while (taken.includes(`${name}-${n}`)) n++;
  return `${name}-${n}`;
}

/** Why a corpus cannot have that name; empty when it can. */
export function wrongName(name: string, taken: readonly string[]): string {
  if (name === "") return "A corpus needs a name.";
  if (name.length > 40) return `A name has at most 40 characters, not ${name.length}.`;
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) return "A name is made of a to z, 0 to 9 and hyphens, and does not begin with a hyphen.";
  if (taken.includes(name)) return `There is a corpus “${name}” already; remove it first, or take another name.`;
  return "";
}

/** What of a text of one's own is sent. */
export interface Wish {
  readonly name: string;
  readonly model: string;
  /** null for a text that ships. */
  readonly text: string | null;
  readonly limit: number | null;
  /** null for all of them. */
  readonly layers: readonly number[] | null;
  readonly heads: boolean;
}

export function corpusBody({ name, model, text, limit, layers, heads }: Wish): CorpusBody {
  return {
    kind: "corpus", name, model, shipped: text === null, heads,
    ...(text === null ? (limit === null ? {} : { limit_characters: limit }) : { text }),
    ...(layers === null ? {} : { layers: [...layers] }),
  };
}

/** Why that text cannot be handed in; empty when it can. */
export function wrongText(text: string): string {
  if (!text.trim()) return "Paste a text, or drop a file of plain text here.";
  const bytes = bytesOf(text);
  return bytes > MOST_BYTES - 2000 ? `This text takes ${size(bytes)}, and the lab is handed at most ${size(MOST_BYTES)} at once.` : "";
}

const bytesOf = (text: string): number => new TextEncoder().encode(JSON.stringify(text)).length;

/** As much of a text's beginning as can be handed in, to the end of a line or sentence where there is one. */
export function beginning(text: string): string {
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bytesOf(text.slice(0, middle)) <= MOST_BYTES - 2000) low = middle;
    else high = middle - 1;
  }
  const cut = text.slice(0, low);
  if (cut.length === text.length) return text;
  const end = Math.max(cut.lastIndexOf("\n"), cut.lastIndexOf(". ") + 1);
  return end > low / 2 ? cut.slice(0, end) : cut;
}

/** The text of a file; an error in words for one that is not plain text. */
export function plain(bytes: ArrayBuffer, name: string): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is no text in UTF-8. Save it as plain text in UTF-8, and drop it again.`);
  }
  if (text.includes("\u0000")) throw new Error(`${name} is no plain text. Save it as .txt, and drop it again.`);
  return text;
}

export const encoders = (models: readonly Model[]): Model[] => models.filter(({ kind }) => kind === "text");

/** What reads a new corpus unless another is chosen: the one trained for meaning where it is there. */
export const firstEncoder = (known: readonly Model[]): string => {
  const ready = known.filter((model) => model.ready);
  return (ready.find(({ name }) => name === "minilm") ?? ready[0])?.name ?? "";
};

// --------------------------------------------------------------------------------------------------------------- the query

export const searchable = (corpora: readonly CorpusEntry[]): CorpusEntry[] => corpora.filter(({ why_not }) => !why_not);

/** The corpus that a link names, or the first that can be searched; null for none. */
export function chosenCorpus(corpora: readonly CorpusEntry[], name: string): CorpusEntry | null {
  return (name === "" ? (searchable(corpora)[0] ?? corpora[0]) : corpora.find((one) => one.name === name)) ?? null;
}

export const ofText = (token: Token): boolean => token.part >= 0;

/** The token that is searched for: the wanted one, or else the longest. */
export function chosenToken(tokens: readonly Token[], wanted: number | null): Token | null {
  const mine = tokens.filter(ofText);
  const found = mine.find(({ index }) => index === wanted);
  return found ?? mine.reduce<Token | null>((best, one) => (best === null || one.text.length > best.text.length ? one : best), null);
}

/** Two thirds of the way up is where words are told apart by what they mean. */
export function chosenLayer(layers: readonly number[], wanted: number | null): number | null {
  if (wanted !== null && layers.includes(wanted)) return wanted;
  const middle = (2 / 3) * Math.max(...layers);
  return layers.reduce<number | null>((best, one) => (best === null || Math.abs(one - middle) < Math.abs(best - middle) ? one : best), null);
}

/** Chosen heads after one of them was clicked; null for all of them. */
export function toggled(chosen: readonly number[] | null, head: number, count: number): readonly number[] | null {
  const before = chosen ?? Array.from({ length: count }, (_, n) => n);
  const after = before.includes(head) ? before.filter((one) => one !== head) : [...before, head].sort((a, b) => a - b);
  return after.length === count ? null : after;
}

// ---------------------------------------------------------------------------------------------------------------- the hits

/** A part of a sentence, and what it is. */
export interface Piece {
  readonly text: string;
  readonly match: boolean;
  readonly next: boolean;
  readonly attended: boolean;
  /** Whether something was left out here. */
  readonly gap: boolean;
}

/** Characters up to which a sentence is shown whole. */
const SHORT = 220;

/** A hit's sentence in pieces; of a long one, what is near the match and the word that it attends to most. */
export function pieces(hit: Hit, short = SHORT): Piece[] {
  const { sentence, start, end, next, attended } = hit;
  const marks = [
    { name: "match", start, end, room: 90 },
    ...(next ? [{ name: "next", start: next.start, end: next.end, room: 0 }] : []),
    ...(attended ? [{ name: "attended", start: attended.start, end: attended.end, room: 15 }] : []),
  ];
  const shown = new Array<boolean>(sentence.length).fill(sentence.length <= short);
  if (sentence.length > short) {
    for (const mark of marks) {
      const from = mark.start <= mark.room ? 0 : edge(sentence, mark.start - mark.room, 1, mark.start);
      const to = mark.end + mark.room >= sentence.length ? sentence.length : edge(sentence, mark.end + mark.room, -1, mark.end);
      shown.fill(true, from, to);
    }
  }
  const cuts = new Set([0, sentence.length, ...marks.flatMap((mark) => [mark.start, mark.end])]);
  for (let i = 1; i < sentence.length; i++) if (shown[i] !== shown[i - 1]) cuts.add(i);
  const bounds = [...cuts].filter((cut) => cut >= 0 && cut <= sentence.length).sort((a, b) => a - b);
  const found: Piece[] = [];
  for (let i = 0; i + 1 < bounds.length; i++) {
    const [from = 0, to = 0] = [bounds[i], bounds[i + 1]];
    const within = (name: string): boolean => marks.some((mark) => mark.name === name && mark.start <= from && to <= mark.end);
    const gap = !shown[from];
    const piece = { text: gap ? " … " : sentence.slice(from, to), match: within("match"), next: within("next"), attended: within("attended"), gap };
    if (!gap || !found.at(-1)?.gap) found.push(piece);
  }
  return found;
}

/** The nearest place where a word begins or ends, but not beyond `limit`. */
function edge(text: string, from: number, by: 1 | -1, limit: number): number {
  for (let i = from; by > 0 ? i < limit : i > limit; i += by) if (/\s/.test(text[by > 0 ? i - 1 : i] ?? "")) return i;
  return limit;
}

export const keyOf = (hit: Hit): string => `${hit.row}:${hit.token}`;

export function sorted(hits: readonly Hit[], order: CorpusState["corpusOrder"], tag: Tag): Hit[] {
  if (order === "similarity") return [...hits];
  const key: (hit: Hit) => string = order === "match" ? (hit) => hit.match.toLowerCase() : (hit) => hit.word?.[tag] ?? "";
  if (order === "text") return [...hits].sort((a, b) => a.row - b.row || a.start - b.start);
  // subtle: sorting is stable, so that equals stay by similarity
  return [...hits].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** Words on either side of which the server tells the tags. */
export const AROUND = 3;
export const offsetsOf = (sides: number): number[] => {
  const reach = Math.max(0, Math.min(AROUND, Math.round(sides)));
  return Array.from({ length: 2 * reach + 1 }, (_, n) => n - reach);
};
export const offsetName = (offset: number): string => (offset === 0 ? "match" : offset > 0 ? `+${offset}` : `−${-offset}`);
/** The tag of the word so many after the match's: empty where no word is; "none" for a word in no entity. */
export function tagAt(hit: Hit, offset: number, tag: Tag): string {
  const word = hit.around[AROUND + offset];
  return word ? word[tag] || "none" : "";
}
/** The most frequent tag of a column, or empty where none is found twice. */
export function usual(hits: readonly Hit[], offset: number, tag: Tag): string {
  const counts = new Map<string, number>();
  for (const hit of hits) {
    const name = tagAt(hit, offset, tag);
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const [name, count] = [...counts].reduce<[string, number]>((best, one) => (one[1] > best[1] ? one : best), ["", 1]);
  return count > 1 ? name : "";
}

// ------------------------------------------------------------------------------------------------------------ their tags

export const TAG_NAMES: Record<Tag, string> = { pos: "part of speech", dep: "dependency", ent: "entity" };
export const OF_NAMES: Record<string, string> = { match: "The matching words", next: "The words after them", attended: "The words they attend to most" };

/** What the tags mean, in short: Universal Dependencies, and spaCy's English dependencies and entities. */
const MEANINGS: Readonly<Record<string, string>> = {
  ADJ: "adjective", ADP: "preposition", ADV: "adverb", AUX: "auxiliary", CCONJ: "and, or, but", DET: "determiner", INTJ: "interjection",
  NOUN: "noun", NUM: "number", PART: "particle", PRON: "pronoun", PROPN: "name", PUNCT: "punctuation", SCONJ: "because, that, if",
  SYM: "symbol", VERB: "verb", X: "other", SPACE: "white space",
  ROOT: "root", nsubj: "subject", nsubjpass: "subject of a passive", dobj: "direct object", pobj: "object of a preposition", prep: "preposition",
  det: "determiner", amod: "adjective of a noun", advmod: "adverb", aux: "auxiliary", auxpass: "auxiliary of a passive", cc: "coordinator",
  conj: "conjunct", compound: "part of a compound", poss: "possessor", punct: "punctuation", mark: "marker of a clause", attr: "attribute",
  acomp: "adjective as complement", ccomp: "clause as complement", xcomp: "open complement", pcomp: "complement of a preposition",
  advcl: "adverbial clause", relcl: "relative clause", acl: "clause of a noun", appos: "apposition", neg: "negation", nummod: "number of a noun",
  npadvmod: "noun as adverb", dative: "indirect object", expl: "it, there", intj: "interjection", agent: "agent of a passive", prt: "verb particle",
  dep: "unclear", case: "case", predet: "predeterminer", preconj: "first of a pair", quantmod: "of a quantity", meta: "meta", parataxis: "aside",
  csubj: "clause as subject", oprd: "object predicate", nmod: "noun of a noun",
  PERSON: "people", NORP: "nationalities", FAC: "buildings", ORG: "organisations", GPE: "countries, cities", LOC: "places", PRODUCT: "products",
  EVENT: "events", WORK_OF_ART: "works of art", LAW: "laws", LANGUAGE: "languages", DATE: "dates", TIME: "times", PERCENT: "per cent",
  MONEY: "money", QUANTITY: "measures", ORDINAL: "first, second", CARDINAL: "numbers", none: "in no entity",
};
export const meaning = (name: string): string => MEANINGS[name] ?? "";

export const headOf = (of: Histogram): string => (of.kind === "offset" ? "How many words away they stand" : (OF_NAMES[of.of] ?? of.of));

/** How a tag's share among the hits stands to its share in the corpus. */
export type Verdict = "more" | "less" | "";
export const SIGNS: Record<Verdict, string> = { more: "▲", less: "▼", "": "" };
/** Of a test for each bar, when one in twenty whole histograms may show a difference by chance (Bonferroni). */
const LEVEL = 0.05;

export interface Bar {
  readonly name: string;
  readonly count: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  readonly base: number | null;
  readonly p: number | null;
  readonly verdict: Verdict;
}

export function barsOf(of: Histogram): Bar[] {
  return of.names.map((name, n) => {
    const [share, base, p] = [of.shares[n] ?? 0, of.base?.[n] ?? null, of.p?.[n] ?? null];
    const sure = p !== null && p * of.names.length < LEVEL;
    return {
      name: name || "none", count: of.counts[n] ?? 0, share, low: of.low[n] ?? 0, high: of.high[n] ?? 1, base, p,
      verdict: !sure || base === null ? "" : share > base ? "more" : "less",
    };
  });
}

export const pText = (p: number | null): string => (p === null ? "" : p < 0.001 ? "<0.001" : p.toFixed(3));

/** What stands out of a histogram, as a sentence; empty where nothing does. */
export function summary(of: Histogram): string {
  const bars = barsOf(of);
  const say = ({ name }: Bar): string => (meaning(name) ? `${name} (${meaning(name)})` : name);
  const more = bars.filter(({ verdict }) => verdict === "more").map(say);
  const less = bars.filter(({ verdict }) => verdict === "less").map(say);
  const parts = [more.length ? `more often than in the corpus: ${more.join(", ")}` : "", less.length ? `less often: ${less.join(", ")}` : ""].filter(Boolean);
  return parts.length ? `${parts.join("; ")}.` : of.base ? "no tag stands out against the corpus." : "";
}

// ---------------------------------------------------------------------------------------------------------------- exports

/** How it was searched, in words. */
export function ruleOf({ by, heads }: SearchAnswer, count: number): string {
  if (by === "hidden") return "cosine of the hidden states";
  const which = heads.length === count ? "all heads" : `${heads.length === 1 ? "head" : "heads"} ${heads.join(", ")}`;
  return `mean cosine of what ${which} put${which.startsWith("head ") ? "s" : ""} out`;
}

const HIT_COLUMNS = ["rank", "similarity", "match", "sentence", "start", "end", "row", "token", "pos", "dep", "ent", "next", "next_pos", "attended", "attended_pos", "attention", "offset"];
const BAR_COLUMNS = ["of", "kind", "name", "count", "total", "share", "low", "high", "base", "p"];
type Value = string | number | null;

function hitRow(hit: Hit, n: number): Value[] {
  const { word, next, attended } = hit;
  return [
    n + 1, hit.similarity, hit.match, hit.sentence, hit.start, hit.end, hit.row, hit.token, word?.pos ?? null, word?.dep ?? null, word?.ent ?? null,
    next?.text ?? null, next?.pos ?? null, attended?.text ?? null, attended?.pos ?? null, hit.attention, hit.offset,
  ];
}

function* barRows(histograms: readonly Histogram[]): Generator<Value[]> {
  for (const one of histograms) {
    for (const [n, name] of one.names.entries()) {
      yield [one.of, one.kind, name || "none", one.counts[n] ?? 0, one.total, one.shares[n] ?? 0, one.low[n] ?? null, one.high[n] ?? null, one.base?.[n] ?? null, one.p?.[n] ?? null];
    }
  }
}

export const hitsCsv = (answer: SearchAnswer): string => csv(HIT_COLUMNS, answer.hits.map(hitRow));
export const histogramsCsv = (answer: SearchAnswer): string => csv(BAR_COLUMNS, barRows(answer.histograms));
/** Both in one table: the first column says which it is, and what a row does not have is empty. */
export function everythingCsv(answer: SearchAnswer): string {
  const blanks = (columns: readonly string[]): null[] => columns.map(() => null);
  return csv(["table", ...HIT_COLUMNS, ...BAR_COLUMNS.map((name) => `tag_${name}`)], (function* () {
    for (const [n, hit] of answer.hits.entries()) yield ["hit", ...hitRow(hit, n), ...blanks(BAR_COLUMNS)];
    for (const row of barRows(answer.histograms)) yield ["tag", ...blanks(HIT_COLUMNS), ...row];
  })());
}

/** A similarity as it is shown. */
export const likeness = (value: number): string => number(value, 3);
