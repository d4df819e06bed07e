/** One word in many sentences: what is asked, in which order and colours the answer is shown, and its numbers as text. */
import type { Examples, Questions } from "../api/types";
import { beyondNote, level, type Limits, limitsOf, palette } from "./colours";
import { number, percent } from "./numbers";
import type { WordsState } from "./states/words";

export type CompareBody = Questions["compare"][0];
export type Comparison = Questions["compare"][1];
export type Matrix = Comparison["layers"][number]["matrix"];
export type Example = Examples["compare"][number];

export interface Material {
  readonly word: string;
  readonly sentences: readonly string[];
  /** One a sentence; "" where it has none. */
  readonly senses: readonly string[];
}

/** An answer with what it is about. */
export interface Shown {
  readonly material: Material;
  readonly body: CompareBody;
  readonly answer: Comparison;
}

export const METRICS: Record<WordsState["wordsMetric"], { name: string; says: string }> = {
  cosine: {
    name: "cosine similarity",
    says: "1 when the word's two vectors point the same way, 0 when they have nothing in common, below 0 when they point opposite ways; lengths do not count.",
  },
  euclidean: { name: "Euclidean distance", says: "0 when the word's two vectors are equal, and larger the farther apart they lie; lengths count too." },
};

export const CORRECTIONS: Record<WordsState["wordsCorrection"], { name: string; says: string }> = {
  none: {
    name: "raw",
    says: "vectors as they are. In most layers any two words point somewhat the same way (anisotropy), so compare with the value of random words.",
  },
  centred: { name: "centred", says: "the layer's mean vector is taken away, and with it the direction that all words share." },
  standardised: { name: "standardised", says: "the mean is taken away and each dimension divided by its standard deviation, so that no few large dimensions decide everything." },
  all_but_the_top: { name: "all but the top", says: "the mean is taken away and then the strongest common directions, one for each hundred dimensions." },
};

/** What is compared; null while the examples are not there yet, or where none has that name. */
export function materialOf(state: WordsState, examples: readonly Example[] | null): Material | null {
  if (state.wordsExample !== "") {
    const found = examples?.find(({ name }) => name === state.wordsExample);
    return found ? { word: found.word, sentences: found.sentences, senses: found.labels } : null;
  }
  return { word: state.wordsWord, sentences: state.wordsSentence, senses: state.wordsSentence.map((_, n) => state.wordsSense[n] ?? "") };
}

/** The senses as the library takes them, or why they cannot be told apart; "" when nobody asks for it. */
export function groupsOf(senses: readonly string[]): { groups: readonly string[] | null; why: string } {
  const names = senses.map((sense) => sense.trim());
  const given = names.filter(Boolean);
  if (given.length === 0) return { groups: null, why: "" };
  const counts = new Map<string, number>();
  for (const name of given) counts.set(name, (counts.get(name) ?? 0) + 1);
  const without = names.indexOf("");
  const lonely = [...counts].find(([, count]) => count < 2)?.[0];
  const why =
    without >= 0 ? `sentence ${without + 1} has no sense`
    : counts.size < 2 ? `all sentences have the sense “${given[0]}”`
    : lonely !== undefined ? `the sense “${lonely}” has one sentence`
    : "";
  return why ? { groups: null, why: `Senses are not told apart: ${why}. Give every sentence a sense, at least two senses, and each at least two sentences.` } : { groups: names, why: "" };
}

export function bodyOf(material: Material, state: Pick<WordsState, "wordsModel" | "wordsMetric" | "wordsCorrection">): CompareBody {
  const { groups } = groupsOf(material.senses);
  return {
    model: state.wordsModel,
    sentences: [...material.sentences],
    word: material.word,
    metric: state.wordsMetric,
    correction: state.wordsCorrection,
    groups: groups && [...groups],
    seed: 0,
  };
}

/** Every question about this word and these sentences that the controls can ask. */
export const questionsOf = (material: Material, models: readonly string[]): CompareBody[] =>
  models.flatMap((wordsModel) =>
    (Object.keys(METRICS) as WordsState["wordsMetric"][]).flatMap((wordsMetric) =>
      (Object.keys(CORRECTIONS) as WordsState["wordsCorrection"][]).map((wordsCorrection) => bodyOf(material, { wordsModel, wordsMetric, wordsCorrection })),
    ),
  );

/** Before the word, the word, and behind it. */
export type Parts = readonly [string, string, string];

/** The server counts characters as Python does: a sign that takes two places in a script's text is one. */
export function parts(sentence: string, span: readonly [number, number]): Parts {
  const letters = [...sentence];
  return [letters.slice(0, span[0]).join(""), letters.slice(...span).join(""), letters.slice(span[1]).join("")];
}

/** The same by the letters alone, while there is no answer that says where the word is. */
export function guessed(sentence: string, word: string): Parts {
  const wanted = word.trim().replace(/[.*+?^${}()|[\]\\/-]/g, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`);
  const found = wanted ? new RegExp(wanted, "iu").exec(sentence) : null;
  return found ? [sentence.slice(0, found.index), found[0], sentence.slice(found.index + found[0].length)] : [sentence, "", ""];
}

export const marked = (sentence: string, word: string, span: readonly [number, number] | undefined): Parts => (span ? parts(sentence, span) : guessed(sentence, word));

/** Lines as sentences; what stands before a tab is the sense, as a spreadsheet copies two columns. */
export const pasted = (text: string): { sentence: string; sense: string }[] =>
  text.split(/\r\n|[\r\n\u2028\u2029]/).flatMap((line) => {
    const at = line.indexOf("\t");
    const sentence = line.slice(at + 1).trim();
    return sentence ? [{ sentence, sense: at < 0 ? "" : line.slice(0, at).trim() }] : [];
  });

/** Which sentence, from 0, an error is about; null where it is about none or all. */
export function wrongOf(error: string): number | null {
  const counted = /(?:\bsentence|\btext number) (\d+)/.exec(error);
  const field = /^sentences\.(\d+)/.exec(error);
  return counted ? Number(counted[1]) - 1 : field ? Number(field[1]) : null;
}

/** Which sentence stands in which row: as given, or senses together in the order in which they first come. */
export function orderOf(senses: readonly string[], how: WordsState["wordsOrder"]): number[] {
  const given = senses.map((_, n) => n);
  if (how === "given") return given;
  const rank = [...new Set(senses)];
  return given.sort((a, b) => rank.indexOf(senses[a] ?? "") - rank.indexOf(senses[b] ?? "") || a - b);
}

/** Neighbours of one sense, in order: the sense and how many. */
export function runs(order: readonly number[], senses: readonly string[]): { sense: string; count: number }[] {
  const found: { sense: string; count: number }[] = [];
  for (const at of order) {
    const sense = senses[at] ?? "";
    const last = found.at(-1);
    if (last?.sense === sense) last.count++;
    else found.push({ sense, count: 1 });
  }
  return found;
}

/** Before which rows a line divides the senses: none where they do not stand together, since there would be one everywhere. */
export function dividesOf(order: readonly number[], senses: readonly string[]): number[] {
  const found = runs(order, senses);
  if (found.length !== new Set(found.map(({ sense }) => sense)).size) return [];
  let at = 0;
  return found.slice(1).map((_, n) => (at += found[n]?.count ?? 0));
}

export function layerOf(wanted: number | null, answer: Comparison): Comparison["layers"][number] {
  const number_ = wanted ?? answer.best ?? answer.layers.at(-1)?.layer;
  const found = answer.layers.find(({ layer }) => layer === number_) ?? answer.layers.at(-1);
  if (!found) throw new RangeError("a comparison without layers");
  return found;
}

/** The chosen cell or, without one, that of the first sentence with the first one of another sense. */
export function pairOf(row: number | null, column: number | null, senses: readonly string[]): readonly [number, number] {
  const inside = (at: number | null): at is number => at !== null && Number.isInteger(at) && at >= 0 && at < senses.length;
  if (inside(row) && inside(column)) return [row, column];
  const other = senses.findIndex((sense) => sense !== senses[0]);
  return [0, other > 0 ? other : Math.min(1, senses.length - 1)];
}

// ------------------------------------------------------------------------------------------------------------- colours

export type Rgb = readonly [number, number, number];
/** Of the diagonal, where a sentence meets itself. */
export const GREY: Rgb = [128, 132, 136];

function offDiagonal(matrix: Matrix): Float32Array {
  return Float32Array.from(matrix.flatMap((row, i) => row.filter((value, j): value is number => i !== j && value !== null)));
}

/** Between which numbers the colours of each layer are spread; as the library's pictures do it, unless each is stretched. */
export function limits(answer: Comparison, scale: WordsState["wordsScale"]): Limits[] {
  const off = answer.layers.map(({ matrix }) => offDiagonal(matrix));
  const kind = scale === "stretched" ? "minmax" : answer.metric === "cosine" ? "symmetric" : "magnitude";
  const of = (maps: Float32Array[]): Limits => (maps.some(({ length }) => length) ? limitsOf(maps, kind) : { scale: kind, low: 0, high: 0, beyond: 0 });
  if (scale !== "shared") return off.map((one) => of([one]));
  const all = of(off);
  return off.map(() => all);
}

export function colour(value: number | null | undefined, within: Limits): Rgb {
  if (value === null || value === undefined) return GREY;
  const table = palette(within.scale);
  const at = 3 * level(value, within);
  return [table[at] ?? 0, table[at + 1] ?? 0, table[at + 2] ?? 0];
}
export const css = ([red, green, blue]: Rgb): string => `rgb(${red},${green},${blue})`;

const DARK: Rgb = [0, 0, 0];
const BRIGHT: Rgb = [255, 255, 255];
/** Black or white, whichever has the larger contrast (WCAG 2.1) with the colour behind it: at least 4.5. */
export function inkOn(colour: Rgb): Rgb {
  return contrast(DARK, colour) >= contrast(BRIGHT, colour) ? DARK : BRIGHT;
}
export function contrast(a: Rgb, b: Rgb): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}
function luminance(colour: Rgb): number {
  const [r = 0, g = 0, b = 0] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const SCALES: Record<WordsState["wordsScale"], string> = {
  shared: "one scale for all layers",
  each: "each layer has its own scale, so colours do not compare between layers",
  stretched: "each layer from its smallest to its largest value, so colours do not compare between layers",
};
export function legendNotes(within: Limits, answer: Comparison, scale: WordsState["wordsScale"]): string[] {
  const meaning = within.scale === "symmetric" ? "red alike, blue opposed" : answer.metric === "cosine" ? "brighter is more alike" : "darker is nearer";
  return [meaning, SCALES[scale], ...beyondNote(within), "grey: a sentence and itself"];
}

// ------------------------------------------------------------------------------------------------------------- numbers

/** Decimals that tell the entries off the diagonal apart: 2, or up to 4 where they are nearly equal. */
export function decimals(matrix: Matrix): number {
  const off = offDiagonal(matrix);
  if (off.length === 0) return 2;
  const range = off.reduce((most, value) => Math.max(most, value), -Infinity) - off.reduce((least, value) => Math.min(least, value), Infinity);
  return range >= 0.05 ? 2 : range >= 0.005 ? 3 : 4;
}
export function cellText(value: number | null | undefined, metric: Comparison["metric"], digits: number): string {
  if (value === null || value === undefined) return "–";
  return metric === "cosine" ? value.toFixed(digits).replace(/^-(0\.0*)$/, "$1") : number(value);
}

export const quoted = (word: string): string => `“${word}”`;
const listed = (names: readonly string[]): string => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

export function question(material: Material | null, model: string): string {
  if (!material || !material.word.trim()) return "How much does a word's meaning change from sentence to sentence?";
  const { groups } = groupsOf(material.senses);
  const senses = groups ? [...new Set(groups)] : [];
  if (senses.length === 2) return `Does ${model} tell ${quoted(material.word)} (${senses[0]}) from ${quoted(material.word)} (${senses[1]})?`;
  if (senses.length > 2) return `Does ${model} tell the senses of ${quoted(material.word)} apart: ${listed(senses)}?`;
  return `How alike is ${quoted(material.word)} in these ${material.sentences.length} sentences to ${model}?`;
}

/** Below this, chance is a poor explanation. */
const LEVEL = 0.05;
export function verdict(answer: Comparison): { told: boolean | null; text: string } {
  const at = layerOf(answer.best, answer);
  const one = at.separation;
  const similar = answer.metric === "cosine";
  if (!one) {
    const { layer, random_words, matrix } = layerOf(null, answer);
    const pairs = offDiagonal(matrix);
    const mean = number(pairs.reduce((sum, value) => sum + value, 0) / pairs.length);
    const said = similar ? `the word has similarity ${mean} on average, two random words have ${number(random_words)}` : `the word's vectors lie ${mean} apart on average, those of two random words ${number(random_words)}`;
    return { told: null, text: `In the last layer, ${layer}, ${said}. Give the sentences senses, and how far these lie apart is measured too.` };
  }
  const told = answer.p_best !== null && answer.p_best <= LEVEL;
  const [within, between] = [number(one.within), number(one.between)];
  const pairs = similar
    ? `sentences of one sense have similarity ${within} on average, those of different senses ${between}`
    : `sentences of one sense lie ${within} apart on average, those of different senses ${between}`;
  return {
    told,
    text: `${told ? "Yes, most clearly in" : "No more than by chance. Farthest apart they are in"} layer ${at.layer}: ${pairs}. p\u00a0=\u00a0${number(answer.p_best, 2)}: the share of all ways to deal out the senses that do as well in some layer.`,
  };
}

/** What each number means, in a sentence. */
export function meanings(answer: Pick<Comparison, "metric" | "correction" | "chance" | "reference" | "reference_tokens" | "groups">): readonly (readonly [string, string])[] {
  const similar = answer.metric === "cosine";
  return [
    ["layer", "0 is the embedding layer, which knows a word's letters and place alone; n is what comes out of block n."],
    [METRICS[answer.metric].name, METRICS[answer.metric].says],
    ["random words", `the mean ${similar ? "similarity" : "distance"} of two words from different sentences, equally corrected, over ${answer.reference_tokens.toLocaleString("en")} tokens of ${answer.reference}: what means nothing.`],
    ["anisotropy", "the mean cosine between random words before any correction: 0 where directions are spread evenly, 1 where all are the same."],
    ...(answer.groups === null ? [] : [
      ["apart by", similar ? "mean similarity of pairs of one sense minus that of pairs of two senses; above 0, senses are told apart." : "mean distance of pairs of two senses minus that of pairs of one sense; above 0, senses are told apart."],
      ["95 % interval", "where that difference falls when the sentences are drawn anew within their senses; with five a sense it is rough."],
      ["p", "the share of all ways to deal out the senses that separate at least as well; the p of the best layer pays for having looked at all."],
      ["silhouette", "from −1 to 1: how much nearer a sentence is to its own sense than to the nearest other one; 0 is in between."],
      ["accuracy", `the share of sentences whose nearest other sentence has the same sense; by chance it would be ${percent(answer.chance)}.`],
    ] as const),
  ];
}

/** Every number of every layer, one a line. */
export function* lines({ material, answer }: Shown): Generator<readonly (string | number | null)[]> {
  for (const [n, sentence] of material.sentences.entries()) yield ["sentence", null, n + 1, null, material.senses[n] ?? "", "", null, marked(sentence, material.word, answer.spans[n]).join("|")];
  for (const { layer, matrix, random_words, anisotropy, separation } of answer.layers) {
    for (const [i, row] of matrix.entries()) for (const [j, value] of row.entries()) yield [answer.unit, layer, i + 1, j + 1, material.senses[i] ?? "", material.senses[j] ?? "", value, ""];
    yield ["random words", layer, null, null, "", "", random_words, ""];
    yield ["anisotropy", layer, null, null, "", "", anisotropy, ""];
    for (const [name, value] of Object.entries(separation ?? {})) yield [name, layer, null, null, "", "", value, ""];
  }
  if (answer.best !== null) yield ["p of the best layer", answer.best, null, null, "", "", answer.p_best, ""];
}
export const HEADER = ["quantity", "layer", "row", "column", "sense of row", "sense of column", "value", "text"];
