/** The Attention room as a drawing and as a table. */
import type { Questions } from "../api/types";
import {
  type AttentionAnswer, arcsOf, blocks, brief, type Effect, type Focus, labelled, largestOf, named, type Overview, rule, type Seen, type Side, STATISTIC_NAMES, type Statistic, strokes, strongestFirst, type Token, type Weights,
} from "./attention";
import { type Drawing, escaped, wrapped } from "./figure";
import { number, percent } from "./numbers";
import type { AttentionState } from "./states/attention";
import { STATISTICS } from "./states/attention";
import { BY_WORD, METHOD_NAMES, scoredText, type TokenScores } from "./tokenScores";

/** What one panel shows. */
export interface Told {
  readonly name: string;
  readonly side: Side;
  readonly layer: number;
  readonly heads: number;
  readonly closed: (layer: number) => boolean;
  readonly pieces: readonly Token[];
  /** null while it is not the answer to what is asked. */
  readonly answer: AttentionAnswer | null;
  readonly tokens: readonly Token[];
  readonly weights: Weights | null;
  readonly hidden: readonly boolean[];
  readonly base: Seen | null;
  readonly seen: Seen | null;
  readonly locked: Focus | null;
  readonly overview: Overview | null;
  readonly effect: Effect | null;
  readonly scores: TokenScores | null;
  readonly bodies: { readonly [Q in "tokens" | "attention" | "attention/overview" | "effect" | "token-scores"]: readonly Questions[Q][0][] };
}

export interface Look {
  readonly tool: AttentionState["attentionTool"];
  readonly statistic: Statistic;
  readonly hide: boolean;
  readonly mass: number;
  readonly words: boolean;
  readonly version: string;
  /** One head's weights as a picture, a data: address. */
  readonly picture: (overview: Overview, layer: number, head: number) => string;
}

const MARGIN = 28;
const WIDE = 760;
const ROW = 22;
const LINE = 17;
const INK = "#1b1f24";
const FAINT = "#55606b";
const BLUE = "#0b5cad";
const BLOCK = 11;
const CHIP = 22;

/** About as wide as a token is in letters of 13; those of Chinese are twice as wide. */
const wideOf = (text: string): number => 8 + [...text].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 13.5 : 7.9), 0);

function words(x: number, y: number, text: string, size: number, anchor = "start", fill = INK, more = ""): string {
  return `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="${fill}"${more}>${escaped(text)}</text>`;
}

export function drawing(panels: readonly Told[], look: Look): Drawing {
  const shown = panels.filter(({ seen, weights, base }) => seen && weights && base);
  const parts: string[] = [];
  let height = 0;
  shown.forEach((panel, at) => {
    const left = MARGIN + at * (WIDE + MARGIN);
    const made = column(panel, look, left);
    parts.push(made.text);
    height = Math.max(height, made.bottom);
  });
  const width = 2 * MARGIN + shown.length * WIDE + Math.max(0, shown.length - 1) * MARGIN;
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + MARGIN}" viewBox="0 0 ${width} ${height + MARGIN}" font-family="system-ui, 'DejaVu Sans', sans-serif">` +
    `<title>${escaped(shown.map(({ side }) => side.text).join(" | "))}</title><rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>`;
  return { text, width, height: height + MARGIN };
}

function column(panel: Told, look: Look, left: number): { text: string; bottom: number } {
  const { side, tokens, weights, seen, base, hidden, locked, answer } = panel;
  if (!weights || !seen || !base) return { text: "", bottom: MARGIN };
  const parts: string[] = [];
  let y = MARGIN + 14;
  const say = (text: string, size: number, fill = INK, most = 104, more = ""): void => {
    for (const line of wrapped(text, most)) parts.push(words(left, y, line, size, "start", fill, more)), (y += size + 5);
  };
  say(`Attention in layer ${panel.layer}`, 20, INK, 60, ' font-weight="650"');
  say(side.pair ? `${side.text} | ${side.pair}` : side.text, 14, INK, 90);
  say(`${side.encoder}; ${seen.heads.length === panel.heads ? "all" : seen.heads.length ? seen.heads.join(", ") : "no"} heads of ${panel.heads}; Pellucid ${look.version}`, 12, FAINT);
  say(`${rule(seen.heads.length, look.hide, look.mass, look.words)}.`, 12, FAINT);
  if (locked) say(`Only the arcs ${locked.side === "from" ? "from" : "to"} “${named(tokens, locked.index)}”.`, 12, FAINT);
  y += 22;

  const side0 = weights.heads * BLOCK;
  const longest = Math.max(4, ...tokens.map((_, at) => [...named(tokens, at)].length));
  const column = Math.min(150, 12 + 7.2 * longest);
  const fromEnd = left + side0 + column;
  const toStart = left + WIDE - side0 - column;
  const sums = blocks(weights, base, locked);
  const top = y;
  /** Two digits are as wide as a block, so where there are such heads only every second one is numbered. */
  const every = weights.heads > 10 ? 2 : 1;
  for (let head = 0; head < weights.heads; head++) {
    const on = seen.heads.includes(head);
    const colour = on ? "#2684d6" : "#808080";
    for (const [x, values, most] of [[left + head * BLOCK, sums.given, 1], [left + WIDE - side0 + head * BLOCK, sums.received, sums.most]] as const) {
      if (head % every === 0) parts.push(words(x + BLOCK / 2, top - 5, String(head), 8, "middle", on ? INK : FAINT));
      tokens.forEach((_, token) => {
        const share = most > 0 ? Math.min(1, (values[head * weights.count + token] ?? 0) / most) : 0;
        if (share > 0) parts.push(`<rect x="${x}" y="${top + token * ROW + 1}" width="${BLOCK - 1}" height="${ROW - 2}" fill="${colour}" fill-opacity="${((on ? 0.12 : 0.08) + (on ? 0.88 : 0.4) * share).toFixed(3)}"/>`);
      });
    }
  }
  tokens.forEach((_, at) => {
    const name = named(tokens, at);
    const shown = [...name].length > 20 ? `${[...name].slice(0, 19).join("")}…` : name;
    const look0 = hidden[at] ? [FAINT, ' font-style="italic"'] : [INK, ""];
    const bold = (which: Focus["side"]) => (locked?.side === which && locked.index === at ? ' font-weight="700"' : "");
    parts.push(words(fromEnd - 5, top + (at + 0.5) * ROW + 4, shown, 13, "end", look0[0], `${look0[1]}${bold("from")}`));
    parts.push(words(toStart + 5, top + (at + 0.5) * ROW + 4, shown, 13, "start", look0[0], `${look0[1]}${bold("to")}`));
  });
  const arcs = strokes(arcsOf(seen, locked), seen.largest, ROW, toStart - fromEnd, locked !== null);
  parts.push(`<g transform="translate(${fromEnd} ${top})" fill="none" stroke="${BLUE}">${arcs.map(({ path, opacity, width }) => `<path d="${path}" stroke-opacity="${opacity.toFixed(3)}" stroke-width="${width.toFixed(2)}"/>`).join("")}</g>`);
  y = top + tokens.length * ROW + 24;
  say(`Arcs: the strongest ${number(seen.largest)}; weaker ones thinner and fainter. Left blocks: what a token of a head gives over the arcs, 0 to 1; right: what it receives, up to ${number(sums.most, 2)}.`, 12, FAINT);
  for (const { token, top: guesses } of answer?.predictions ?? []) say(`Instead of “${panel.pieces[token]?.text ?? token}”: ${guesses.map(({ word, probability }) => `${word} ${percent(probability)}`).join(", ")}`, 12);
  y += 12;

  const cells = (title: string, values: readonly (readonly (number | null)[])[], most: number, layers: readonly number[], heads: readonly number[]): void => {
    say(title, 14, INK, 90, ' font-weight="650"');
    const size = Math.min(44, (WIDE - 24) / heads.length);
    heads.forEach((head, n) => parts.push(words(left + 24 + (n + 0.5) * size, y + 4, String(head), 10, "middle", FAINT)));
    y += 10;
    layers.forEach((layer, row) => {
      parts.push(words(left + 16, y + 16, String(layer), 10, "end", FAINT));
      heads.forEach((_, n) => {
        const value = values[row]?.[n] ?? null;
        parts.push(`<rect x="${left + 24 + n * size}" y="${y}" width="${size - 2}" height="22" fill="#9ccaf2" fill-opacity="${Math.max(0, Math.min(1, most > 0 ? (value ?? 0) / most : 0)).toFixed(3)}" stroke="#d5dbe1"/>`);
        parts.push(words(left + 24 + (n + 0.5) * size - 1, y + 15, brief(value), 10, "middle"));
      });
      y += 24;
    });
    y += 22;
  };
  const numbers = (many: number, from: number): number[] => Array.from({ length: many }, (_, i) => i + from);
  const { overview, effect, scores } = panel;
  if (look.tool === "statistics" && overview) {
    const { name, unit } = STATISTIC_NAMES[look.statistic];
    const grid = overview.statistics[look.statistic];
    cells(`${name} (${unit(look.words)}), layers down, heads across`, grid, unit(look.words) === "share" ? 1 : largestOf(grid), numbers(overview.layers, 1), numbers(overview.heads, 0));
  } else if (look.tool === "effect" && effect) {
    const greatest = largestOf(effect.effect);
    const times = greatest < 0.5 ? 1000 : 1;
    cells(`Effect of each head when it is taken out (${times === 1 ? "" : "thousandths of "}${effect.unit})`, effect.effect.map((row) => row.map((value) => (value ?? 0) * times)), greatest * times, effect.layers, effect.heads);
    cells("What its attention suggests: share to words, not special tokens", effect.attention, 1, effect.layers, effect.heads);
    say(`Rank correlation of the two: ${effect.spearman === null ? "none" : number(effect.spearman, 2)}. Chosen: ${effect.choices.map(({ text, probability }) => `${text} (${percent(probability)})`).join(", ")}.`, 12, FAINT);
  } else if (look.tool === "tokens" && scores) {
    say(`What ${scores.target} rests on (${number(scores.value)}, ${scores.value_unit})`, 14, INK, 90, ' font-weight="650"');
    if (scores.by_word) say(BY_WORD, 12, FAINT);
    const texts = side.pair === "" ? [side.text] : [side.text, side.pair];
    for (const method of scores.methods) {
      const { parts: said, legend } = scoredText(scores, method, texts);
      y += 8;
      say(METHOD_NAMES[method.method].name, 14, INK, 90, ' font-weight="650"');
      for (const { name, chips } of said) {
        if (name) say(name, 12, FAINT);
        let x = left;
        for (const { text, apart, marked, ground, ink } of chips) {
          const wide = wideOf(text);
          x += apart && x > left ? 5 : 0;
          if (x > left && x + wide > left + WIDE) (x = left), (y += CHIP + 6);
          if (ground) parts.push(`<rect x="${x}" y="${y - 8}" width="${wide - 1}" height="${CHIP}" fill="${ground}"/>`);
          if (marked) parts.push(`<rect x="${x}" y="${y - 7 + CHIP}" width="${wide - 1}" height="2.5" fill="${INK}"/>`);
          parts.push(words(x + (wide - 1) / 2, y + 7, text, 13, "middle", ink || INK));
          x += wide;
        }
        y += CHIP + 10;
      }
      const stops = legend.colours.map((colour, n) => `<rect x="${left + n * 3}" y="${y - 8}" width="3.5" height="10" fill="${colour}"/>`);
      parts.push(stops.join(""));
      y += 14;
      for (const { at, text } of legend.ticks) parts.push(words(left + at * 3 * legend.colours.length, y, text, 10, at === 0 ? "start" : at === 1 ? "end" : "middle", FAINT));
      y += 16;
      say(`${method.unit}; ${legend.notes.join("; ")}`, 12, FAINT);
      if (method.about) say(method.about, 12, INK);
    }
  } else if (look.tool === "glance" && overview) {
    say("Every head, layers down, heads across; colour: square root of the weight, 0 to 1", 14, INK, 90, ' font-weight="650"');
    const size = Math.min(58, (WIDE - 24) / overview.heads);
    for (let head = 0; head < overview.heads; head++) parts.push(words(left + 24 + (head + 0.5) * size, y + 4, String(head), 10, "middle", FAINT));
    y += 10;
    for (let layer = 1; layer <= overview.layers; layer++) {
      parts.push(words(left + 16, y + size / 2 + 3, String(layer), 10, "end", FAINT));
      for (let head = 0; head < overview.heads; head++) {
        const box = `x="${left + 24 + head * size}" y="${y}" width="${size - 3}" height="${size - 3}"`;
        parts.push(`<image ${box} href="${escaped(look.picture(overview, layer, head))}" style="image-rendering:pixelated"/><rect ${box} fill="none" stroke="#d5dbe1"/>`);
      }
      y += size;
    }
    y += LINE;
  }
  return { text: parts.join(""), bottom: Math.ceil(y) };
}

export const COLUMNS = ["panel", "encoder", "layer", "what", "head", "query", "query token", "key", "key token", "value"] as const;

/** Every number that the room shows: `sum` is of the chosen heads; a head of its own is named. */
export function* rows(panels: readonly Told[], look: Look): Generator<(string | number | null)[]> {
  for (const { name, side, layer, tokens, pieces, weights, seen, base, locked, answer, overview, effect, scores } of panels) {
    if (!weights || !seen || !base || !answer) continue;
    const start = [name, side.encoder];
    const text = (at: number): string => labelled(tokens[at] as Token);
    for (const { query, key, weight } of strongestFirst(arcsOf(seen, locked))) {
      yield [...start, layer, "sum", null, query, text(query), key, text(key), weight];
      for (const head of seen.heads) yield [...start, layer, "weight", head, query, text(query), key, text(key), weights.values[(head * weights.count + query) * weights.count + key] ?? 0];
    }
    const sums = blocks(weights, base, locked);
    for (let head = 0; head < weights.heads; head++)
      for (let at = 0; at < weights.count; at++) {
        yield [...start, layer, "given", head, at, text(at), null, "", sums.given[head * weights.count + at] ?? 0];
        yield [...start, layer, "received", head, null, "", at, text(at), sums.received[head * weights.count + at] ?? 0];
      }
    for (const { token, top } of answer.predictions)
      for (const { word, probability } of top) yield [...start, null, `guess: ${word}`, null, token, pieces[token]?.text ?? "", null, "", probability];
    const grids: [string, readonly (readonly (number | null)[])[]][] =
      look.tool === "effect"
        ? effect ? [[`effect, ${effect.unit}`, effect.effect], ["fall of the choice's log-probability, bits", effect.drop], ["attention to words", effect.attention]] : []
        : overview && look.tool !== "tokens" ? STATISTICS.map((one) => [`${STATISTIC_NAMES[one].name.toLowerCase()}, ${STATISTIC_NAMES[one].unit(look.words)}`, overview.statistics[one]]) : [];
    for (const [what, grid] of grids) for (const [n, row] of grid.entries()) for (const [head, value] of row.entries()) yield [...start, n + 1, what, head, null, "", null, "", value];
    if (look.tool === "effect" && effect) yield [...start, null, "rank correlation of effect and attention", null, null, "", null, "", effect.spearman];
    if (look.tool !== "tokens" || !scores) continue;
    for (const { method, unit, scores: values, trust } of scores.methods) {
      for (const [at, value] of values.entries()) if (value !== null) yield [...start, null, `score: ${method}, ${unit}`, null, null, "", at, labelled(scores.tokens[at] as Token), value];
      if (!trust) continue;
      const { value, low, high } = trust.advantage;
      for (const [what, one] of [["", value], [", low", low], [", high", high]] as const) yield [...start, null, `advantage over random orders: ${method}, ${scores.task === "regression" ? "the number" : "probability"}${what}`, null, null, "", null, "", one];
      yield [...start, null, `rank correlation with random weights: ${method}`, null, null, "", null, "", trust.randomised];
    }
  }
}
