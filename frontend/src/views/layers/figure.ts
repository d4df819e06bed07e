/** The view as one drawing in vectors: the pictures of all shown models at one layer, and the phases. On white paper. */
import { type Drawing, escaped, wrapped } from "../../lib/figure";
import { answerSentence, axisName, chart, CHART_EDGE, curvesOf, domains, EDGE, finding, HOW, type Kind, KINDS, type LayersAnswer, layerName, LETTER, LINES, type Mark, marksOf, meets, type ModelLayers, PHASE_TITLES, PHASES, Picture, SAMPLES, SEED, SIGNS, trustSentence, valued, type Words } from "../../lib/layers";

export interface Look {
  readonly layer: number;
  readonly words: Words;
  /** What is highlighted for good. */
  readonly pinned: Mark | null;
  /** Names of the models in the order that gives each its line. */
  readonly known: readonly string[];
  readonly version: string;
}

const WIDTH = 1200;
const MARGIN = 28;
const GAP = 28;
const LINE = 17;
const INK = "#1b1f24";
const FAINT = "#55606b";
const RULE = "#d5dbe1";

interface Style {
  readonly size?: number;
  readonly bold?: boolean;
  readonly anchor?: "start" | "middle" | "end";
  readonly fill?: string;
  readonly halo?: boolean;
}

function said(x: number, y: number, text: string, { size = 12, bold = false, anchor = "start", fill = INK, halo = false }: Style = {}): string {
  const around = halo ? ' stroke="#ffffff" stroke-width="3" stroke-linejoin="round" paint-order="stroke"' : "";
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}"${bold ? ' font-weight="650"' : ""} text-anchor="${anchor}" fill="${fill}"${around}>${escaped(text)}</text>`;
}
const round = (value: number): string => String(Math.round(100 * value) / 100);
const segment = (x1: number, y1: number, x2: number, y2: number, stroke: string, width = 1): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${width}"/>`;

function mark(kind: Kind, x: number, y: number): string {
  const { shape, open, colour } = SIGNS[kind];
  const paint = open ? `fill="none" stroke="${colour}" stroke-width="1.8"` : `fill="${colour}" stroke="#ffffff" stroke-width="0.7"`;
  return `<path d="${shape}" transform="translate(${round(x)} ${round(y)})" ${paint}/>`;
}

export function drawn(answer: LayersAnswer, models: readonly ModelLayers[], look: Look): Drawing {
  const parts: string[] = [];
  let y = MARGIN;
  const write = (text: string, style: Style & { most?: number } = {}): void => {
    for (const one of wrapped(text, style.most ?? 165)) parts.push(said(MARGIN, (y += style.size ? style.size + 5 : LINE), one, style));
  };
  const heading = answer.question;
  write(heading, { size: 20, bold: true, most: 100 });
  write(answer.passage, { most: 180 });
  if (answer.answer) write(`Answer: ${answer.answer.text}`, { bold: true });
  write(answerSentence(answer));
  write(`Hidden states at ${layerName(look.layer)}. ${HOW[answer.basis as "layer" | "shared"]} Pellucid ${look.version}.`, { fill: FAINT });

  y += 22;
  let x = MARGIN + 8;
  for (const kind of [...KINDS].reverse()) {
    parts.push(mark(kind, x, y), said(x + 14, y + 4, SIGNS[kind].name, { size: 13 }));
    x += 40 + 8 * SIGNS[kind].name.length;
  }
  y += 12;

  const wide = (WIDTH - 2 * MARGIN - GAP * (models.length - 1)) / Math.max(1, models.length);
  const size = { width: wide, height: models.length === 1 ? 560 : 420 };
  const tops = models.map((model, n) => panel(model, answer.basis as "layer" | "shared", size, look, MARGIN + n * (wide + GAP), y, parts));
  y = Math.max(y, ...tops) + GAP;

  const axes = domains(models);
  const narrow = (WIDTH - 2 * MARGIN - 3 * 16) / 4;
  const ends = PHASES.map((phase, n) => {
    const curves = curvesOf(models, look.known, phase);
    const left = MARGIN + n * (narrow + 16);
    let at = y;
    for (const one of wrapped(PHASE_TITLES[phase], 38)) parts.push(said(left, (at += 18), one, { size: 13, bold: true }));
    at = y + 36;
    for (const one of wrapped(`Up: ${curves[0]?.entry.meaning ?? ""}.`, 44)) parts.push(said(left, (at += 15), one, { size: 11, fill: FAINT }));
    at = y + 36 + 60;
    const box = { width: narrow, height: 200 };
    const last = Math.max(1, ...models.map(({ layers }) => layers.length - 1));
    const of = chart(curves, axes[phase], last, box);
    const right = narrow - CHART_EDGE.right;
    parts.push(`<g transform="translate(${round(left)} ${at})">`);
    for (const tick of of.up) parts.push(segment(CHART_EDGE.left, tick.at, right, tick.at, RULE), said(CHART_EDGE.left - 5, tick.at + 4, tick.text, { size: 11, anchor: "end", fill: FAINT }));
    for (const tick of of.across) parts.push(said(tick.at, box.height - 19, tick.text, { size: 11, anchor: "middle", fill: FAINT }));
    parts.push(said((CHART_EDGE.left + right) / 2, box.height - 5, "layer", { size: 11, anchor: "middle", fill: FAINT }), segment(CHART_EDGE.left, of.zero, right, of.zero, "#8a95a1", 1.2));
    for (const one of of.lines) parts.push(`<path d="${one.band}" fill="${LINES[one.look]?.colour}" fill-opacity="0.13"/>`);
    parts.push(segment(of.x(look.layer), CHART_EDGE.top, of.x(look.layer), box.height - CHART_EDGE.bottom, INK, 1.4));
    for (const one of of.lines) {
      const colour = LINES[one.look]?.colour ?? INK;
      parts.push(`<path d="${one.path}" fill="none" stroke="${colour}" stroke-width="2.2" stroke-dasharray="${LINES[one.look]?.dash}"/>`);
      if (one.end) parts.push(said(one.end.x + 6, one.end.text + 4, one.name, { size: 12, bold: true, fill: colour }));
    }
    parts.push("</g>");
    at += box.height;
    for (const { name, entry } of curves) {
      const words = entry.why_not ? `${name} not measured: ${entry.why_not}` : `${name} ${valued(entry, look.layer)}`;
      for (const one of wrapped(words, 44)) parts.push(said(left, (at += 16), one, { size: 12 }));
    }
    const sure = curves.filter(({ entry }) => !entry.why_not);
    if (sure.length) for (const one of wrapped(`Band above zero: ${sure.map(({ name, entry }) => finding(name, entry)).join("; ")}.`, 46)) parts.push(said(left, (at += 15), one, { size: 11, fill: FAINT }));
    return at;
  });
  y = Math.max(...ends) + 8;
  write(`Numbers of the phases: ${layerName(look.layer)}. Bands: 95 % of ${SAMPLES} bootstrap samples of this text’s words, seed ${SEED}; they say nothing about other texts.`, { fill: FAINT });

  const height = Math.ceil(y + MARGIN);
  return {
    width: WIDTH,
    height,
    text: `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif"><title>${escaped(heading)}</title><rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>`,
  };
}

/** One model's picture at that place; where it ends. */
function panel(model: ModelLayers, basis: "layer" | "shared", size: { width: number; height: number }, look: Look, left: number, top: number, parts: string[]): number {
  const picture = new Picture(model, basis, size);
  const here = Math.min(look.layer, picture.last);
  const dots = picture.dots(here);
  const ticks = picture.ticks(here);
  const share = model.layers[here]?.explained ?? [];
  const right = size.width - EDGE.right;
  const bottom = size.height - EDGE.bottom;
  parts.push(said(left, top + 18, `${model.name}, ${layerName(here)}`, { size: 15, bold: true }), `<g transform="translate(${round(left)} ${round(top + 26)})">`);
  parts.push(`<rect x="${EDGE.left}" y="${EDGE.top}" width="${round(right - EDGE.left)}" height="${round(bottom - EDGE.top)}" fill="none" stroke="${RULE}"/>`);
  for (const tick of ticks.x) parts.push(segment(tick.at, EDGE.top, tick.at, bottom, RULE, 0.6), said(tick.at, bottom + 14, tick.text, { size: 11, anchor: "middle", fill: FAINT }));
  for (const tick of ticks.y) parts.push(segment(EDGE.left, tick.at, right, tick.at, RULE, 0.6), said(EDGE.left - 4, tick.at + 4, tick.text, { size: 11, anchor: "end", fill: FAINT }));
  parts.push(said((EDGE.left + right) / 2, size.height - 4, axisName(1, share[0]), { anchor: "middle", fill: FAINT }));
  parts.push(`<g transform="rotate(-90)">${said(-(EDGE.top + bottom) / 2, 10, axisName(2, share[1]), { anchor: "middle", fill: FAINT })}</g>`);
  for (const token of picture.order) {
    const dot = dots[token];
    if (dot) parts.push(mark(dot.kind, dot.x, dot.y));
  }
  for (const label of picture.labels(here, look.words, dots)) {
    const colour = SIGNS[label.kind].colour;
    const dot = dots[label.token];
    if (label.from && dot) parts.push(segment(dot.x, dot.y, label.from.x, label.from.y, colour, 0.8));
    parts.push(said(label.x, label.y + LETTER * 0.35, label.text, { anchor: "middle", fill: colour, bold: label.kind === "answer", halo: true }));
  }
  marksOf(model.tokens).forEach((one, token) => {
    const dot = dots[token];
    if (!dot || !meets(look.pinned, one)) return;
    const way = picture.path(token);
    if (way.length) parts.push(`<polyline points="${way.map((at) => `${round(at.x)},${round(at.y)}`).join(" ")}" fill="none" stroke="${INK}"/>`, ...way.map((at, n) => said(at.x + 4, at.y - 4, String(n), { size: 11, fill: FAINT })));
    parts.push(`<circle cx="${round(dot.x)}" cy="${round(dot.y)}" r="${SIGNS[dot.kind].radius + 5}" fill="none" stroke="${INK}" stroke-width="2"/>`, said(dot.x + SIGNS[dot.kind].radius + 9, dot.y + 5, picture.text(token), { size: 14, bold: true, halo: true }));
  });
  parts.push("</g>");
  let y = top + 26 + size.height;
  const trust = model.trustworthiness[here];
  const lines = wrapped(`Trustworthiness ${trust === null || trust === undefined ? "unknown" : trust.toFixed(2)}. ${trustSentence(trust, model.neighbours)}`, Math.floor(size.width / 6.6));
  for (const one of lines) parts.push(said(left, (y += 16), one));
  return y;
}
