/** Hidden states moving through the layers: from the server's numbers to places on a picture. Knows neither page nor server. */
import { scaleLinear } from "d3-scale";
import { area, line, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolStar } from "d3-shape";
import type { Questions } from "../api/types";
import type { LayersState } from "./states/layers";
import { percent } from "./numbers";

export type LayersBody = Questions["layers"][0];
export type LayersAnswer = Questions["layers"][1];
export type ModelLayers = LayersAnswer["models"][number];
export type Token = ModelLayers["tokens"][number];
export type PhaseEntry = ModelLayers["phases"][string];
export type Basis = LayersState["layersBasis"];
export type Words = LayersState["layersWords"];

/** Bootstrap samples of the bands, and their seed. */
export const SAMPLES = 1000;
export const SEED = 0;
/** Models that the server takes in one question. */
export const MOST_MODELS = 4;

export function layersBody(state: LayersState, models: readonly string[], basis: Basis = state.layersBasis): LayersBody {
  const what = state.layersExample ? { example: state.layersExample } : { question: state.layersQuestion, passage: state.layersPassage };
  return { models: [...models], ...what, basis, components: 2, samples: SAMPLES, seed: SEED };
}

/** What is asked for: all models that are ready, so that showing one more asks nothing; where these are too many, the chosen ones. */
export function askedModels(ready: readonly string[], chosen: readonly string[]): string[] {
  return ready.length <= MOST_MODELS ? [...ready] : ready.filter((name) => chosen.includes(name)).slice(0, MOST_MODELS);
}

/** What the library notes of these models, once each. */
export const notesOf = (models: readonly ModelLayers[]): string[] => [...new Set(models.flatMap(({ notes }) => notes))];

// ------------------------------------------------------------------------------------------------------------------ tokens

export const KINDS = ["special", "context", "support", "question", "answer"] as const;
export type Kind = (typeof KINDS)[number];

export interface Sign {
  readonly name: string;
  /** Around 0, 0 in pixels; filled, or only a line. */
  readonly shape: string;
  readonly open: boolean;
  readonly radius: number;
  /** On white paper. */
  readonly colour: string;
}

export const SIGNS: Record<Kind, Sign> = {
  special: { name: "special", shape: "M-3.5 -3.5L3.5 3.5M-3.5 3.5L3.5 -3.5", open: true, radius: 4, colour: "#55606b" },
  context: { name: "passage", shape: shaped(symbolCircle, 38), open: false, radius: 4, colour: "#55606b" },
  support: { name: "supporting fact", shape: shaped(symbolDiamond, 62), open: false, radius: 6, colour: "#1a6b3c" },
  question: { name: "question", shape: shaped(symbolSquare, 64), open: false, radius: 5, colour: "#0b5cad" },
  answer: { name: "answer", shape: shaped(symbolStar, 130), open: false, radius: 10, colour: "#b2182b" },
};

function shaped(type: typeof symbolCircle, size: number): string {
  return symbol(type, size)() ?? "";
}

export function kindOf({ role, supporting }: Pick<Token, "role" | "supporting">): Kind {
  if (role === "special" || role === "answer" || role === "question") return role;
  return supporting ? "support" : "context";
}

/** The characters that a token stands for; of specials, which of them it is. The same in every model, whatever its pieces. */
export interface Mark {
  readonly part: number;
  readonly start: number;
  readonly end: number;
}

export function marksOf(tokens: readonly Token[]): Mark[] {
  let specials = 0;
  return tokens.map(({ part, start, end }) => (part < 0 ? { part: -1, start: specials, end: ++specials } : { part, start, end }));
}

export const meets = (one: Mark | null, other: Mark): boolean =>
  one !== null && one.part === other.part && ((one.start < other.end && other.start < one.end) || (one.start === other.start && one.end === other.end));

export const written = ({ part, start, end }: Mark): string => `${part}:${start}:${end}`;
export function read(text: string): Mark | null {
  const [, part, start, end] = /^(-1|0|1):(\d{1,6}):(\d{1,6})$/.exec(text) ?? [];
  return part === undefined ? null : { part: Number(part), start: Number(start), end: Number(end) };
}

/** A text cut at its tokens: what lies between two of one kind belongs to them, so that a fact is underlined as one. */
export interface Piece {
  readonly text: string;
  /** Which token; null between tokens. */
  readonly token: number | null;
  readonly kind: Kind | null;
}

export function piecesOf(text: string, part: number, tokens: readonly Token[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let before: Kind | null = null;
  tokens.forEach((token, index) => {
    if (token.part !== part || token.end <= at || token.end > text.length) return; // subtle: bytes of one character are several tokens
    const kind = kindOf(token);
    const start = Math.max(at, token.start);
    if (start > at) pieces.push({ text: text.slice(at, start), token: null, kind: before === kind ? kind : null });
    pieces.push({ text: text.slice(start, token.end), token: index, kind });
    at = token.end;
    before = kind;
  });
  if (at < text.length) pieces.push({ text: text.slice(at), token: null, kind: null });
  return pieces;
}

// ----------------------------------------------------------------------------------------------------------------- picture

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Left, right, below, above the plot, in pixels. */
export const EDGE = { left: 46, right: 8, bottom: 34, top: 8 };
/** From the outermost points to the edge: room for shapes and words. */
const ROOM = { x: 26, y: 16 };

interface Limits {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

const mix = (from: number, to: number, share: number): number => from + (to - from) * share;

/** Limits around all points with one unit a pixel on both axes. */
export function limitsOf(points: readonly (readonly number[])[], plot: Size): Limits {
  const range = (axis: number): [number, number] => points.reduce<[number, number]>(([low, high], point) => [Math.min(low, point[axis] ?? 0), Math.max(high, point[axis] ?? 0)], [Infinity, -Infinity]);
  const [x, y] = points.length ? [range(0), range(1)] : [[0, 0] as const, [0, 0] as const];
  const unit = Math.max((x[1] - x[0]) / Math.max(1, plot.width - 2 * ROOM.x), (y[1] - y[0]) / Math.max(1, plot.height - 2 * ROOM.y)) || 1 / plot.width;
  const around = ([low, high]: readonly [number, number], pixels: number): [number, number] => [(low + high - unit * pixels) / 2, (low + high + unit * pixels) / 2];
  return { x: around(x, plot.width), y: around(y, plot.height) };
}

export interface Dot {
  readonly token: number;
  readonly kind: Kind;
  readonly x: number;
  readonly y: number;
}

export interface Label {
  readonly token: number;
  readonly kind: Kind;
  readonly text: string;
  /** Its middle. */
  readonly x: number;
  readonly y: number;
  /** Where a line from its point ends, when it stands far away. */
  readonly from: { readonly x: number; readonly y: number } | null;
  readonly opacity: number;
}

export interface Ticks {
  readonly x: readonly { at: number; text: string }[];
  readonly y: readonly { at: number; text: string }[];
}

/** One model's picture, of a given size. It is asked for any place between two layers. */
export class Picture {
  readonly kinds: readonly Kind[];
  readonly last: number;
  readonly plot: Size;
  /** Tokens from the bottom to the top of the drawing. */
  readonly order: readonly number[];
  private readonly limits: readonly Limits[];
  private readonly placed = new Map<string, readonly (Offset | null)[]>();

  constructor(
    private readonly model: ModelLayers,
    readonly basis: Basis,
    readonly size: Size,
  ) {
    this.kinds = model.tokens.map(kindOf);
    this.last = model.layers.length - 1;
    this.plot = { width: Math.max(1, size.width - EDGE.left - EDGE.right), height: Math.max(1, size.height - EDGE.top - EDGE.bottom) };
    this.order = this.kinds.map((_, i) => i).sort((a, b) => KINDS.indexOf(this.kinds[a] as Kind) - KINDS.indexOf(this.kinds[b] as Kind));
    const all = basis === "shared" ? limitsOf(model.layers.flatMap(({ coordinates }) => coordinates), this.plot) : null;
    this.limits = model.layers.map(({ coordinates }) => all ?? limitsOf(coordinates, this.plot));
  }

  private around(at: number): { low: number; high: number; share: number } {
    const place = Math.max(0, Math.min(this.last, at));
    const low = Math.floor(place);
    return { low, high: Math.min(this.last, low + 1), share: place - low };
  }

  private scales(at: number) {
    const { low, high, share } = this.around(at);
    const from = this.limits[low] as Limits;
    const to = this.limits[high] as Limits;
    const domain = (axis: "x" | "y"): [number, number] => [mix(from[axis][0], to[axis][0], share), mix(from[axis][1], to[axis][1], share)];
    return {
      x: scaleLinear().domain(domain("x")).range([EDGE.left, EDGE.left + this.plot.width]),
      y: scaleLinear().domain(domain("y")).range([EDGE.top + this.plot.height, EDGE.top]),
    };
  }

  /** Every token in pixels, in their order in the text. */
  dots(at: number): Dot[] {
    const { low, high, share } = this.around(at);
    const { x, y } = this.scales(at);
    const from = this.model.layers[low]?.coordinates ?? [];
    const to = this.model.layers[high]?.coordinates ?? [];
    return this.kinds.map((kind, token) => ({
      token, kind,
      x: x(mix(from[token]?.[0] ?? 0, to[token]?.[0] ?? 0, share)),
      y: y(mix(from[token]?.[1] ?? 0, to[token]?.[1] ?? 0, share)),
    }));
  }

  ticks(at: number): Ticks {
    const { x, y } = this.scales(at);
    const of = (scale: typeof x, pixels: number) => {
      const count = Math.max(2, Math.floor(pixels / 90));
      const text = scale.tickFormat(count);
      return scale.ticks(count).map((tick) => ({ at: scale(tick), text: text(tick) }));
    };
    return { x: of(x, this.plot.width), y: of(y, this.plot.height) };
  }

  /** Words beside their points; between two layers they move and fade from the one's arrangement into the other's. */
  labels(at: number, words: Words, dots: readonly Dot[] = this.dots(at)): Label[] {
    const { low, high, share } = this.around(at);
    const from = this.arranged(low, words);
    const to = this.arranged(high, words);
    return dots.flatMap(({ token, kind, x, y }) => {
      const a = from[token] ?? null;
      const b = to[token] ?? null;
      if (!a && (!b || share === 0)) return [];
      const dx = mix((a ?? b)?.dx ?? 0, (b ?? a)?.dx ?? 0, share);
      const dy = mix((a ?? b)?.dy ?? 0, (b ?? a)?.dy ?? 0, share);
      const far = share === 0 && a?.far ? { x: x + a.far.dx, y: y + a.far.dy } : null;
      return [{ token, kind, text: this.text(token), x: x + dx, y: y + dy, from: far, opacity: mix(a ? 1 : 0, b ? 1 : 0, share) }];
    });
  }

  /** The token's way through all layers; only where these have the same axes. */
  path(token: number): { x: number; y: number }[] {
    if (this.basis !== "shared") return [];
    const { x, y } = this.scales(0);
    return this.model.layers.map(({ coordinates }) => ({ x: x(coordinates[token]?.[0] ?? 0), y: y(coordinates[token]?.[1] ?? 0) }));
  }

  /** The nearest token to a place, if it is near enough to be meant. */
  nearest(at: number, x: number, y: number, reach = 22): number | null {
    let best: number | null = null;
    let closest = reach;
    for (const dot of this.dots(at)) {
      const away = Math.hypot(dot.x - x, dot.y - y) - (SIGNS[dot.kind].radius - 4);
      if (away < closest) (closest = away), (best = dot.token);
    }
    return best;
  }

  text(token: number): string {
    const text = this.model.tokens[token]?.text ?? "";
    return text.length > 24 ? `${text.slice(0, 23)}…` : text;
  }

  private arranged(layer: number, words: Words): readonly (Offset | null)[] {
    if (words === "hover") return [];
    const key = `${layer} ${words}`;
    let found = this.placed.get(key);
    if (!found) {
      const wanted = [...this.order].reverse().filter((token) => {
        const kind = this.kinds[token];
        return /[\p{L}\p{N}\p{S}]/u.test(this.text(token)) && (words === "all" || kind === "answer" || kind === "question");
      });
      found = arrange(this.dots(layer), wanted.map((token) => ({ token, text: this.text(token) })), this.size);
      this.placed.set(key, found);
    }
    return found;
  }

  /** How many words have no room at a layer. */
  hidden(layer: number, words: Words): number {
    if (words !== "all") return 0;
    const placed = this.arranged(Math.max(0, Math.min(this.last, layer)), words);
    return this.kinds.filter((_, token) => /[\p{L}\p{N}\p{S}]/u.test(this.text(token)) && !placed[token]).length;
  }
}

// ------------------------------------------------------------------------------------------------------------------ labels

/** Pixels of a label's letters. */
export const LETTER = 12;

/** About how wide a text is: no canvas is needed for it, and no font is the same everywhere. */
export function widthOf(text: string, size = LETTER): number {
  let width = 0;
  for (const sign of text) width += /[ijlftr.,:;'|!()[\]]/.test(sign) ? 0.36 : /[mwMW@]/.test(sign) ? 0.9 : /[A-Z]/.test(sign) ? 0.7 : (sign.codePointAt(0) ?? 0) > 0x2e80 ? 1.05 : 0.6;
  return width * size;
}

interface Offset {
  readonly dx: number;
  readonly dy: number;
  readonly far: { readonly dx: number; readonly dy: number } | null;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const overlap = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Right of its point, left, above, below, then the corners. */
const SIDES = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [1, 1], [-1, -1], [-1, 1]] as const;

/**
 * A place for each word, by token, or none where there is no room; the first ones choose first. No word lies on another or on a
 * marked point; the answer's and the question's are also tried farther away, and may at last cover points of the passage.
 */
export function arrange(dots: readonly Dot[], words: readonly { token: number; text: string }[], size: Size): (Offset | null)[] {
  const found: (Offset | null)[] = dots.map(() => null);
  const taken: Box[] = [];
  const round = dots.map(({ x, y, kind }) => ({ left: x - SIGNS[kind].radius, right: x + SIGNS[kind].radius, top: y - SIGNS[kind].radius, bottom: y + SIGNS[kind].radius }));
  const hard = round.filter((_, i) => dots[i]?.kind === "answer" || dots[i]?.kind === "question");
  for (const { token, text } of words) {
    const dot = dots[token];
    if (!dot) continue;
    const urgent = dot.kind === "answer" || dot.kind === "question";
    const half = { x: widthOf(text) / 2, y: LETTER * 0.58 };
    let last: { offset: Offset; box: Box } | null = null;
    let best: { offset: Offset; box: Box } | null = null;
    search: for (const away of urgent ? [0, 13, 28, 46] : [0]) {
      for (const [sx, sy] of SIDES) {
        const reach = SIGNS[dot.kind].radius + 2 + away;
        const corner = sx && sy ? 0.6 : 1;
        const dx = sx * (half.x + reach * corner);
        const dy = sy * (half.y + reach * corner);
        const box = { left: dot.x + dx - half.x, right: dot.x + dx + half.x, top: dot.y + dy - half.y, bottom: dot.y + dy + half.y };
        if (box.left < EDGE.left || box.right > size.width || box.top < 0 || box.bottom > size.height - EDGE.bottom) continue;
        if (taken.some((other) => overlap(box, other)) || hard.some((other) => overlap(box, other))) continue;
        const far = away ? { dx: Math.max(box.left, Math.min(dot.x, box.right)) - dot.x, dy: Math.max(box.top, Math.min(dot.y, box.bottom)) - dot.y } : null;
        const one = { offset: { dx, dy, far }, box };
        if (!round.some((other) => overlap(box, other))) {
          best = one;
          break search;
        }
        last ??= one;
      }
    }
    best ??= urgent ? last : null;
    if (best) (found[token] = best.offset), taken.push(best.box);
  }
  return found;
}

// ------------------------------------------------------------------------------------------------------------------ phases

export const PHASES = ["topics", "attributes", "support", "answer"] as const;
export type PhaseName = (typeof PHASES)[number];
export const PHASE_TITLES: Record<PhaseName, string> = {
  topics: "1 Words of one topic gather",
  attributes: "2 Entities meet their attributes",
  support: "3 The question meets its supporting facts",
  answer: "4 The answer stands apart",
};

/** Of the models in the order in which the lab knows them: told apart without colour. */
export const LINES = [
  { dash: "2 3", colour: "#7a4b00" },
  { dash: "8 3", colour: "#00727a" },
  { dash: "", colour: "#6b3fa0" },
  { dash: "9 3 2 3", colour: "#1b1f24" },
] as const;

export interface Curve {
  readonly name: string;
  /** Which of LINES. */
  readonly look: number;
  readonly entry: PhaseEntry;
}

export function curvesOf(models: readonly ModelLayers[], known: readonly string[], phase: string): Curve[] {
  return models.flatMap(({ name, phases }) => {
    const entry = phases[phase];
    return entry ? [{ name, look: Math.max(0, known.indexOf(name)) % LINES.length, entry }] : [];
  });
}

/** Values that an axis must show: all curves and bands, and zero. */
export function reach(entries: readonly PhaseEntry[]): [number, number] {
  const all = entries.flatMap(({ value, low, high }) => [...value, ...low, ...high]).filter((one): one is number => one !== null);
  return [Math.min(0, ...all), Math.max(0, ...all)];
}

/** The differences of cosines share an axis; the answer's is a measure of its own. */
export function domains(models: readonly ModelLayers[]): Record<PhaseName, [number, number]> {
  const of = (...names: PhaseName[]): [number, number] => reach(names.flatMap((name) => models.flatMap(({ phases }) => (phases[name] ? [phases[name]] : []))));
  const cosines = of("topics", "attributes", "support");
  return { topics: cosines, attributes: cosines, support: cosines, answer: of("answer") };
}

export const CHART_EDGE = { left: 36, right: 86, bottom: 34, top: 8 };

export interface Chart {
  readonly x: (layer: number) => number;
  readonly across: readonly { at: number; text: string }[];
  readonly up: readonly { at: number; text: string }[];
  readonly zero: number;
  readonly lines: readonly { name: string; look: number; path: string; band: string; dots: readonly { x: number; y: number }[]; end: { x: number; y: number; text: number } | null }[];
}

export function chart(curves: readonly Curve[], domain: readonly [number, number], last: number, size: Size): Chart {
  const x = scaleLinear().domain([0, Math.max(1, last)]).range([CHART_EDGE.left, size.width - CHART_EDGE.right]);
  const y = scaleLinear().domain(domain[0] === domain[1] ? [-1, 1] : domain).nice(4).range([size.height - CHART_EDGE.bottom, CHART_EDGE.top]);
  const there = (value: number | null | undefined): value is number => value !== null && value !== undefined;
  const path = line<number | null>().defined(there).x((_, layer) => x(layer)).y((value) => y(value ?? 0));
  const lines = curves.map(({ name, look, entry }) => {
    const band = area<number | null>().defined((low, layer) => there(low) && there(entry.high[layer])).x((_, layer) => x(layer)).y0((low) => y(low ?? 0)).y1((_, layer) => y(entry.high[layer] ?? 0));
    const dots = entry.value.flatMap((value, layer) => (there(value) ? [{ x: x(layer), y: y(value) }] : []));
    const end = dots.at(-1);
    return { name, look, path: path(entry.value) ?? "", band: band(entry.low) ?? "", dots, end: end ? { ...end, text: end.y } : null };
  });
  // names at the ends of the lines keep a line's height between them
  const ends = lines.flatMap(({ end }) => (end ? [end] : [])).sort((a, b) => a.y - b.y);
  for (let i = 1; i < ends.length; i++) (ends[i] as { text: number }).text = Math.max(ends[i]?.text ?? 0, (ends[i - 1]?.text ?? 0) + 13);
  const over = (ends.at(-1)?.text ?? 0) - (size.height - CHART_EDGE.bottom + 4);
  if (over > 0) for (const end of ends) end.text -= over;
  return {
    x,
    across: Array.from({ length: last + 1 }, (_, layer) => layer).filter((layer) => last <= 12 || layer % Math.ceil(last / 12) === 0).map((layer) => ({ at: x(layer), text: String(layer) })),
    up: y.ticks(4).map((tick) => ({ at: y(tick), text: String(tick).replace("-", "−") })),
    zero: y(0),
    lines,
  };
}

/** Layers at which the whole band lies above zero, as runs: first and last of each. */
export function above({ low }: Pick<PhaseEntry, "low">): [number, number][] {
  const runs: [number, number][] = [];
  low.forEach((value, layer) => {
    if (value === null || value <= 0) return;
    const run = runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else runs.push([layer, layer]);
  });
  return runs;
}

/** Where a band lies above zero, in words. */
export function finding(name: string, entry: PhaseEntry): string {
  if (entry.low.every((value) => value === null)) return `${name} has no band, there is too little to resample`;
  const last = entry.low.length - 1;
  const runs = above(entry).map(([from, to]) => {
    if (from === 0 && to === last) return "at every layer";
    if (from === to) return `at layer ${from}`;
    return to === last ? `from layer ${from} on` : `at layers ${from} to ${to}`;
  });
  return `${name} ${runs.join(" and ") || "nowhere"}`;
}

/** A value with its band: `0.42 (0.31 to 0.55)`. */
export function valued(entry: PhaseEntry, layer: number): string {
  const value = entry.value[layer];
  if (value === null || value === undefined) return "–";
  const [low, high] = [entry.low[layer], entry.high[layer]];
  const two = (one: number): string => one.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−");
  return low === null || low === undefined || high === null || high === undefined ? two(value) : `${two(value)} (${two(low)} to ${two(high)})`;
}

// ------------------------------------------------------------------------------------------------------------------- words

export const layerName = (layer: number): string => (layer === 0 ? "layer 0, the embeddings" : `layer ${layer}`);

export const HOW: Record<Basis, string> = {
  layer: "One PCA a layer, turned or mirrored (never stretched) to lie as close as it can to the layer before (Procrustes), each at its own scale: compare shapes between layers, not distances. Turned, the two axes are no longer the first and the second component: they share out what these two hold, and axis 2 may hold more than axis 1.",
  shared: "One PCA of all layers together: the same axes and the same scale at every layer, so what moves in the picture did move.",
};

export const axisName = (axis: number, share: number | undefined): string => `axis ${axis}: ${percent(Math.min(1, Math.max(0, share ?? 0)))} of this layer’s variance`;

/** What the number says of this picture, in one sentence. */
export function trustSentence(value: number | null | undefined, neighbours: number): string {
  if (value === null || value === undefined) return "The text is too short to say how far its picture can be trusted.";
  const meaning =
    value >= 0.9 ? "marks that lie near each other here are nearly always near in all dimensions too"
    : value >= 0.75 ? "marks that lie near each other here are mostly, not always, near in all dimensions too"
    : "marks that lie near each other here are often far apart in all dimensions";
  return `${meaning[0]?.toUpperCase()}${meaning.slice(1)} (of 1, by the ${neighbours} nearest of each).`;
}

/** Why there is no answer; of models that cannot answer at all nothing need be said where one can. */
function withoutHeadless(reasons: string): string {
  const all = reasons.split("; ");
  const able = all.filter((one) => !one.endsWith(" has no question-answering head"));
  return (able.length ? able : all).join("; ");
}

/** Where the answer is from, as a sentence. `models` are those that were asked. */
export function answerSentence(answer: LayersAnswer | null): string {
  if (!answer) return "";
  const { answer: said, answer_from: from } = answer;
  if (!said) return `No answer is marked: ${withoutHeadless(from)}.`;
  if (from.startsWith("the example")) return `Marked is the example’s own answer, since no model here gives one${from.replace(/^the example( \((.*)\))?$/, (_, __, why?: string) => (why ? ` (${withoutHeadless(why)})` : ""))}.`;
  return `${from} answers this, and it is marked for every model.`;
}

/** Every number in the view: coordinates by token, shares and trust by layer, phases by layer. */
export const ROWS = ["what", "model", "basis", "layer", "token", "text", "role", "supporting", "axis_1", "axis_2", "explained_1", "explained_2", "trustworthiness", "phase", "value", "low", "high"] as const;

export function* layersRows(models: readonly ModelLayers[], basis: Basis): Generator<(string | number | null)[]> {
  for (const { name, layers, tokens, phases, trustworthiness } of models) {
    for (const [layer, { coordinates, explained }] of layers.entries()) {
      const head = [name, basis, layer];
      yield ["layer", ...head, null, null, null, null, null, null, explained[0] ?? null, explained[1] ?? null, trustworthiness[layer] ?? null, null, null, null, null];
      for (const [n, token] of tokens.entries()) {
        yield ["token", ...head, token.index, token.text, token.role, token.supporting ? "yes" : "no", coordinates[n]?.[0] ?? null, coordinates[n]?.[1] ?? null, null, null, null, null, null, null, null];
      }
      for (const [phase, { value, low, high }] of Object.entries(phases)) {
        yield ["phase", ...head, null, null, null, null, null, null, null, null, null, phase, value[layer] ?? null, low[layer] ?? null, high[layer] ?? null];
      }
    }
  }
}
