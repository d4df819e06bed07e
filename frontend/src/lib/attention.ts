/** The Attention room's arithmetic, as the library has it (`analysis/attention.py`), and its arcs. */
import type { Model, Questions } from "../api/types";
import { floats, fromBase64 } from "./bytes";
import { number, percent } from "./numbers";
import type { AttentionState } from "./states/attention";

export type Token = Questions["tokens"][1]["tokens"][number];
export type AttentionAnswer = Questions["attention"][1];
export type Overview = Questions["attention/overview"][1];
export type Effect = Questions["effect"][1];
export type Statistic = AttentionState["attentionStatistic"];

/** One text with its encoder: the room shows one of them, or two beside each other. */
export interface Side {
  readonly text: string;
  readonly pair: string;
  readonly encoder: string;
  readonly masked: readonly string[];
  readonly lock: string;
  readonly effect: boolean;
  readonly scores: boolean;
  /** The class or number that the scores are about; empty for what the encoder answers. */
  readonly target: string;
}
export type Which = 0 | 1;

export function sideOf(state: AttentionState, which: Which): Side {
  return which === 0
    ? { text: state.attentionText, pair: state.attentionPair, encoder: state.attentionEncoder, masked: state.attentionMasked, lock: state.attentionLock, effect: state.attentionEffect, scores: state.attentionScores, target: state.attentionTarget }
    : { text: state.attentionText2, pair: state.attentionPair2, encoder: state.attentionEncoder2, masked: state.attentionMasked2, lock: state.attentionLock2, effect: state.attentionEffect2, scores: state.attentionScores2, target: state.attentionTarget2 };
}

/** What a change of one side is in the state. Another text forgets what was said of the old one's tokens. */
export function sideChange(which: Which, before: Side, part: Partial<Side>): Partial<AttentionState> {
  const after = { ...before, ...part };
  const moved = after.text !== before.text || after.pair !== before.pair;
  const { text, pair, encoder, masked, lock } = moved ? { ...after, masked: [], lock: "" } : after;
  // They take seconds, and so are asked for anew.
  const anew = moved || encoder !== before.encoder || JSON.stringify(masked) !== JSON.stringify(before.masked);
  const [effect, scores] = [!anew && after.effect, !anew && after.scores];
  const target = encoder === before.encoder ? after.target : "";
  return which === 0
    ? { attentionText: text, attentionPair: pair, attentionEncoder: encoder, attentionMasked: masked, attentionLock: lock, attentionEffect: effect, attentionScores: scores, attentionTarget: target }
    : { attentionText2: text, attentionPair2: pair, attentionEncoder2: encoder, attentionMasked2: masked, attentionLock2: lock, attentionEffect2: effect, attentionScores2: scores, attentionTarget2: target };
}

export const textBody = ({ encoder, text, pair }: Side): Questions["tokens"][0] => ({ model: encoder, text, pair: pair === "" ? null : pair });

/** A layer from 1 that an encoder with so many has. */
export const layerIn = (layer: number, layers: number): number => Math.min(Math.max(1, Math.round(layer)), Math.max(1, layers));

/** The chosen heads that an encoder with so many has, in order. */
export const headsIn = (chosen: readonly number[] | null, heads: number): number[] =>
  Array.from({ length: heads }, (_, head) => head).filter((head) => chosen === null || chosen.includes(head));

/** What is said of a layer and of heads that a link asks for and the encoder does not have. */
export function lacking({ name, layers, heads }: Pick<Model, "name" | "layers" | "heads">, layer: number, chosen: readonly number[] | null): string {
  const shown = layers ? layerIn(layer, layers) : Math.round(layer);
  const has = headsIn(null, heads ?? 0);
  const absent = heads ? (chosen ?? []).filter((head) => !has.includes(head)) : [];
  return [
    shown === Math.round(layer) ? "" : `${name} has ${layers} layers; layer ${shown} is shown.`,
    absent.length ? `${name} has heads 0 to ${has.length - 1}, and no head ${absent.join(", ")}.` : "",
  ].filter(Boolean).join(" ");
}

/** All of them are written as null, so that they are all of another encoder too. */
export function toggled(chosen: readonly number[] | null, head: number, heads: number): readonly number[] | null {
  const now = headsIn(chosen, heads);
  const next = now.includes(head) ? now.filter((one) => one !== head) : [...now, head].sort((a, b) => a - b);
  return next.length === heads ? null : next;
}

// ------------------------------------------------------------------------------------------------------------------ tokens

/** The wordpieces of each word, in order; a special token is a word by itself (`word_groups` of the library). */
export function wordGroups(pieces: readonly Token[]): number[][] {
  const groups: number[][] = [];
  let before: number | null = null;
  pieces.forEach(({ word }, at) => {
    const last = groups.at(-1);
    if (last && word >= 0 && word === before) last.push(at);
    else groups.push([at]);
    before = word;
  });
  return groups;
}

interface Span {
  readonly part: number;
  readonly start: number;
  readonly end: number;
}
export const spelt = ({ part, start, end }: Span): string => `${part}:${start}-${end}`;
function spanOf(text: string): Span | null {
  const found = /^(\d+):(\d+)-(\d+)$/.exec(text);
  return found ? { part: Number(found[1]), start: Number(found[2]), end: Number(found[3]) } : null;
}

/** The wordpieces that have one of these characters. */
export function maskedPieces(pieces: readonly Token[], masked: readonly string[]): number[] {
  const spans = masked.map(spanOf).filter((span) => span !== null);
  return pieces.flatMap(({ part, start, end }, at) => (part >= 0 && spans.some((span) => span.part === part && span.start < end && start < span.end) ? [at] : []));
}

/** How many wordpieces the encoder sees as masked: those of the spans, and those that the text itself has as masks. */
export const maskedCount = (pieces: readonly Token[], masked: readonly string[]): number =>
  new Set([...maskedPieces(pieces, masked), ...pieces.flatMap((piece, at) => (piece.masked ? [at] : []))]).size;

/** The masked spans with these wordpieces hidden, or shown again when all of them were hidden. Special tokens stay. */
export function withMask(pieces: readonly Token[], masked: readonly string[], at: readonly number[]): readonly string[] {
  const hidden = new Set(maskedPieces(pieces, masked));
  const can = at.filter((one) => (pieces[one]?.part ?? -1) >= 0);
  const show = can.every((one) => hidden.has(one));
  for (const one of can) if (show) hidden.delete(one); else hidden.add(one);
  return [...hidden].sort((a, b) => a - b).flatMap((one) => pieces[one] ?? []).map(spelt);
}

/** A token by its side, left (from which attention goes) or right (to which it goes). */
export interface Focus {
  readonly side: "from" | "to";
  readonly index: number;
}
export const lockText = (focus: Focus | null): string => (focus ? `${focus.side}:${focus.index}` : "");
export function lockOf(text: string, count: number): Focus | null {
  const found = /^(from|to):(\d+)$/.exec(text);
  const index = Number(found?.[2]);
  return found && index < count ? { side: found[1] === "to" ? "to" : "from", index } : null;
}

/** As it stands in the text; one that is hidden says so (`labels` of the library). */
export const labelled = ({ text, masked }: Token): string => (masked ? `${text} (masked)` : text);

/** As tokenizers mark a piece that goes on with the word before it. */
export const continued = (tokens: readonly Token[], at: number): string => {
  const [before, here] = [tokens[at - 1], tokens[at]];
  return here && before && here.word >= 0 && here.word === before.word && here.part === before.part ? "##" : "";
};
/** Its label, so marked. */
export const named = (tokens: readonly Token[], at: number): string => continued(tokens, at) + labelled(tokens[at] as Token);

// ----------------------------------------------------------------------------------------------------------------- weights

/** head query key, row by row. */
export interface Weights {
  readonly heads: number;
  readonly count: number;
  readonly values: Float32Array;
}
export const weightsOf = ({ attention, heads, tokens }: AttentionAnswer): Weights => ({ heads, count: tokens.length, values: floats(attention, heads * tokens.length ** 2) });
export const thumbnailsOf = ({ thumbnails }: Overview): Uint8Array => fromBase64(thumbnails);

export interface Seen {
  readonly count: number;
  readonly heads: readonly number[];
  /** The chosen heads' sum: query key. Nothing is renormalised. */
  readonly total: Float32Array;
  /** 1 where an arc is drawn. */
  readonly kept: Uint8Array;
  readonly largest: number;
  readonly arcs: number;
}

/** As `attend` of the library: the chosen heads' sum, of every query the strongest keys that carry `mass` of its row. */
export function attend(weights: Weights, hidden: readonly boolean[], heads: readonly number[], mass: number): Seen {
  const { count, values } = weights;
  const total = new Float32Array(count * count);
  for (const head of heads) {
    const from = head * count * count;
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (values[from + i] ?? 0);
  }
  for (let query = 0; query < count; query++)
    for (let key = 0; key < count; key++) if (hidden[query] || hidden[key]) total[query * count + key] = 0;
  const kept = strongest(total, count, mass);
  let largest = 0;
  let arcs = 0;
  for (let i = 0; i < total.length; i++) if (kept[i]) (arcs += 1), (largest = Math.max(largest, total[i] ?? 0));
  return { count, heads, total, kept, largest, arcs };
}

export function strongest(total: Float32Array, count: number, mass: number): Uint8Array {
  const kept = new Uint8Array(total.length);
  for (let query = 0; query < count; query++) {
    const row = total.subarray(query * count, (query + 1) * count);
    const order: number[] = [];
    let sum = 0;
    row.forEach((weight, key) => {
      if (weight > 0) order.push(key), (sum += weight);
    });
    if (mass < 1) order.sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b);
    // subtle: 0.5 and 0.3, rounded to 32 bits, are to reach 0.8
    const enough = mass < 1 ? mass * (1 - 1e-6) * sum : Infinity;
    let before = 0;
    for (const key of order) {
      if (before >= enough) break;
      kept[query * count + key] = 1;
      before += row[key] ?? 0;
    }
  }
  return kept;
}

/** What each token of each head gives (by query) and receives (by key) over the kept arcs; with a token in focus, over its own. */
export function blocks(weights: Weights, { kept, count }: Seen, focus: Focus | null): { given: Float32Array; received: Float32Array; most: number } {
  const given = new Float32Array(weights.heads * count);
  const received = new Float32Array(weights.heads * count);
  for (let head = 0; head < weights.heads; head++)
    for (let query = 0; query < count; query++) {
      if (focus?.side === "from" && focus.index !== query) continue;
      for (let key = 0; key < count; key++) {
        if (!kept[query * count + key] || (focus?.side === "to" && focus.index !== key)) continue;
        const weight = weights.values[(head * count + query) * count + key] ?? 0;
        given[head * count + query] = (given[head * count + query] ?? 0) + weight;
        received[head * count + key] = (received[head * count + key] ?? 0) + weight;
      }
    }
  let most = 0;
  for (const value of received) most = Math.max(most, value);
  return { given, received, most };
}

export interface Arc {
  readonly query: number;
  readonly key: number;
  readonly weight: number;
}

/** The kept arcs, of one token where it is in focus, by query and key. */
export function arcsOf({ total, kept, count }: Seen, focus: Focus | null): Arc[] {
  const arcs: Arc[] = [];
  for (let query = 0; query < count; query++) {
    if (focus?.side === "from" && focus.index !== query) continue;
    for (let key = 0; key < count; key++) {
      if (!kept[query * count + key] || (focus?.side === "to" && focus.index !== key)) continue;
      arcs.push({ query, key, weight: total[query * count + key] ?? 0 });
    }
  }
  return arcs;
}

export const strongestFirst = (arcs: readonly Arc[]): Arc[] => [...arcs].sort((a, b) => b.weight - a.weight || a.query - b.query || a.key - b.key);

/** What was done to the weights, for a caption (`Attention.rule` of the library). */
export function rule(heads: number, hide: boolean, mass: number, words: boolean): string {
  return [
    `attention weight${heads === 1 ? "" : `, sum of ${heads} heads`}`,
    hide ? "special tokens hidden, not renormalised" : "",
    mass < 1 ? `of every query the strongest keys that carry ${Number((mass * 100).toPrecision(6))} % of what is shown of its row` : "",
    words ? "whole words: summed over the pieces attended to, averaged over the attending ones" : "",
  ].filter(Boolean).join("; ");
}

/** What one token does, in words; the five strongest. */
export function reading(tokens: readonly Token[], seen: Seen, focus: Focus | null, total: string): string {
  if (!focus) return "";
  const name = named(tokens, focus.index);
  const arcs = strongestFirst(arcsOf(seen, focus));
  if (arcs.length === 0) return focus.side === "from" ? `“${name}” attends to nothing that is shown.` : `Nothing that is shown attends to “${name}”.`;
  const rest = arcs.length > 5 ? `, and ${arcs.length - 5} more` : "";
  const list = arcs.slice(0, 5).map(({ query, key, weight }) => `“${named(tokens, focus.side === "from" ? key : query)}” ${number(weight)}`).join(", ");
  return focus.side === "from" ? `“${name}” attends to ${list}${rest} (${total}).` : `“${name}” is attended to by ${list}${rest} (${total}).`;
}

// ----------------------------------------------------------------------------------------------------------------- drawing

/** So many different strokes: what differs by less than a step of them looks the same. */
export const STROKES = 24;
const FAINT = 0.12;
const FAINT_IN_FOCUS = 0.3;

export interface Stroke {
  readonly path: string;
  readonly opacity: number;
  readonly width: number;
}

/** Opacity and width of an arc: no weight is drawn as nothing. */
export const opacityOf = (share: number, focused = false): number => {
  const least = focused ? FAINT_IN_FOCUS : FAINT;
  return least + (1 - least) * share;
};
export const widthOf = (share: number): number => 0.7 + 4.3 * share;

/** The arcs between two columns `across` apart, in as few paths as there are different strokes; the strongest on top. */
export function strokes(arcs: readonly Arc[], largest: number, row: number, across: number, focused: boolean): Stroke[] {
  const paths: string[][] = Array.from({ length: STROKES }, () => []);
  const bend = Math.round(across * 0.45);
  const rest = across - bend;
  for (const { query, key, weight } of arcs) {
    const step = Math.min(STROKES - 1, Math.floor((weight / largest) * STROKES));
    const from = (query + 0.5) * row;
    const to = (key + 0.5) * row;
    paths[step]?.push(`M0 ${from}C${bend} ${from} ${rest} ${to} ${across} ${to}`);
  }
  return paths.flatMap((each, step) => {
    const share = (step + 0.5) / STROKES;
    return each.length ? [{ path: each.join(""), opacity: opacityOf(share, focused), width: widthOf(share) }] : [];
  });
}

/** A square of bytes made smaller, so that no strong weight is lost: the largest of each patch; 0 for what is hidden. */
export function thumbnail(values: Uint8Array, size: number, hidden: readonly boolean[], most: number): { values: Uint8Array; size: number } {
  const small = Math.min(size, most);
  const found = new Uint8Array(small * small);
  for (let row = 0; row < size; row++) {
    if (hidden[row]) continue;
    const start = Math.floor((row * small) / size) * small;
    for (let column = 0; column < size; column++) {
      if (hidden[column]) continue;
      const at = start + Math.floor((column * small) / size);
      const value = values[row * size + column] ?? 0;
      if (value > (found[at] ?? 0)) found[at] = value;
    }
  }
  return { values: found, size: small };
}

/** Red green blue opacity: a blue that is seen on light and on dark ground, the more opaque the larger. */
export function thumbnailPixels(values: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => {
    pixels[4 * i] = 38;
    pixels[4 * i + 1] = 132;
    pixels[4 * i + 2] = 214;
    pixels[4 * i + 3] = Math.round(255 * Math.sqrt(value / 255));
  });
  return pixels;
}

// ------------------------------------------------------------------------------------------------------------------- heads

export const STATISTIC_NAMES: Readonly<Record<Statistic, { name: string; meaning: string; unit: (words: boolean) => string }>> = {
  entropy: { name: "Entropy", meaning: "0: all on one token; high: spread evenly", unit: () => "bits" },
  distance: { name: "Mean distance", meaning: "how far away the tokens are that it looks at", unit: (words) => (words ? "words" : "tokens") },
  next: { name: "To the next", meaning: "share of attention given to the token after", unit: () => "share" },
  previous: { name: "To the previous", meaning: "share of attention given to the token before", unit: () => "share" },
  same: { name: "To itself", meaning: "share of attention given to the token itself", unit: () => "share" },
  special: { name: "To special tokens", meaning: "share of attention given to the likes of [CLS] and [SEP]", unit: () => "share" },
};

export type Grid = readonly (readonly (number | null)[])[];

export const shownStatistic = (statistic: Statistic, value: number | null | undefined, words: boolean): string => {
  const { unit } = STATISTIC_NAMES[statistic];
  return unit(words) === "share" ? percent(value) : `${number(value)} ${unit(words)}`;
};

/** Two or three signs, for a cell. */
export const brief = (value: number | null | undefined): string => {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 0.005) return "<.01";
  return Math.abs(value) < 0.995 ? value.toFixed(2).replace("0.", ".") : Math.abs(value) < 9.95 ? value.toFixed(1) : String(Math.round(value));
};

export const largestOf = (grid: Grid): number => grid.reduce((most, row) => row.reduce<number>((high, value) => Math.max(high, value ?? 0), most), 0);

export interface Ranked {
  readonly layer: number;
  readonly head: number;
  readonly effect: number;
  readonly attention: number;
  /** From 1: how many heads attend more, by what attention suggests. */
  readonly place: number;
}

/** The heads with the largest effect, each with its place by attention. */
export function ranked({ effect, attention, layers, heads }: Effect, most: number): Ranked[] {
  const all = effect.flatMap((row, n) => row.map((value, head) => ({ layer: layers[n] ?? n + 1, head: heads[head] ?? head, effect: value ?? 0, attention: attention[n]?.[head] ?? 0 })));
  return all
    .map((one) => ({ ...one, place: 1 + all.filter(({ attention: more }) => more > one.attention).length }))
    .sort((a, b) => b.effect - a.effect || a.layer - b.layer || a.head - b.head)
    .slice(0, most);
}

/** What lacks before the effect of heads can be measured; empty when nothing does. */
export function effectLacks(model: Model | undefined, side: Side, masked: number): "" | "head" | "probability" | "pair" | "mask" {
  const can = model?.heads_for ?? [];
  if (can.length === 0) return "head";
  if (can.includes("regression")) return "probability";
  if (can.includes("classification")) return "";
  if (can.includes("question_answering")) return side.pair.trim() === "" ? "pair" : "";
  return masked === 0 ? "mask" : "";
}
