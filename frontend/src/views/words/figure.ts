/** The room as one drawing: every layer small, the chosen one large with its numbers, the chosen pair and the curves. */
import { legendColours, type Limits, ticks } from "../../lib/colours";
import { type Drawing, escaped, wrapped } from "../../lib/figure";
import { sentence } from "../../lib/notes";
import { number, brief } from "../../lib/numbers";
import { cellText, colour, css, decimals, dividesOf, GREY, inkOn, layerOf, legendNotes, limits, marked, orderOf, pairOf, type Shown, verdict } from "../../lib/words";
import type { WordsState } from "../../lib/states/words";
import { type Curve, plot } from "./plot";

const WIDTH = 1180;
const MARGIN = 28;
const INK = "#1b1f24";
const FAINT = "#55606b";
const COLOURS = ["#0b5cad", "#b2182b", "#1a6b3c"];
const THUMB = 140;
const LABELS = 400;
const LOOK = { mode: "map", strength: 1, threshold: 0, sign: "both" } as const;

export function figure(shown: Shown, state: WordsState, heading: string, version: string): Drawing {
  const { answer, material, body } = shown;
  const { senses, sentences } = material;
  const within = limits(answer, state.wordsScale);
  const order = orderOf(senses, state.wordsOrder);
  const chosen = layerOf(state.wordsLayer, answer);
  const pair = pairOf(state.wordsRow, state.wordsColumn, senses);
  const at = answer.layers.indexOf(chosen);
  const out: string[] = [];
  let y = MARGIN + 16;
  const write = (text: string, size: number, more: Parameters<typeof words>[4] = {}): void => {
    for (const line of wrapped(text, Math.floor((WIDTH - 2 * MARGIN) / (0.53 * size)))) (out.push(words(MARGIN, y, line, size, more)), (y += Math.round(1.4 * size)));
  };
  write(heading, 20, { bold: true });
  y += 2;
  write(verdict(answer).text, 14);
  write(`${answer.rule}; random words over ${answer.reference_tokens} tokens of ${answer.reference}; Pellucid ${version}`, 13, { fill: FAINT });
  for (const note of answer.notes) write(sentence(note), 13, { fill: "#7a4b00" });
  y += 12;

  const columns = Math.floor((WIDTH - 2 * MARGIN + 18) / (THUMB + 18));
  answer.layers.forEach((layer, n) => {
    const left = MARGIN + (n % columns) * (THUMB + 18);
    const top = y + Math.floor(n / columns) * (THUMB + 66);
    out.push(words(left, top + 12, `layer ${layer.layer}${answer.best === layer.layer ? " ★ best" : ""}`, 13, { bold: layer === chosen }));
    out.push(...squares(layer.matrix, within[n], order, senses, left, top + 18, THUMB / order.length));
    const captions = layer.separation ? [`apart by ${number(layer.separation.difference, 2)}`, `random words ${number(layer.random_words, 2)}`] : [`random words ${number(layer.random_words, 2)}`];
    captions.forEach((text, line) => out.push(words(left, top + THUMB + 33 + 15 * line, text, 12, { fill: FAINT })));
  });
  y += Math.ceil(answer.layers.length / columns) * (THUMB + 66) + 14;

  out.push(words(MARGIN, y, `Layer ${chosen.layer}, ${answer.unit}`, 15, { bold: true }));
  y += 30;
  const cell = Math.max(8, Math.min(44, Math.floor(660 / order.length)));
  const side = cell * order.length;
  const left = MARGIN + LABELS;
  const size = Math.min(12, cell - 2);
  const every = cell >= 12 ? 1 : Math.ceil(12 / cell);
  order.forEach((i, n) => {
    if (n % every) return;
    const middle = (n + 0.5) * cell;
    out.push(words(left + middle, y - 6, String(i + 1), size, { anchor: "middle", fill: FAINT }));
    const [before, word, after] = marked(sentences[i] ?? "", material.word, answer.spans[i]);
    const name = [i + 1, senses[i]].filter(Boolean).join(" ");
    const room = Math.max(10, Math.floor((LABELS - 20) / (0.58 * size)) - name.length - [...word].length - 3);
    const [start, end] = around(before, after, room);
    out.push(
      `<text x="${left - 8}" y="${y + middle + 0.35 * size}" font-size="${size}" text-anchor="end" fill="${INK}"><tspan fill="${FAINT}">${escaped(name)}  </tspan>${escaped(start)}<tspan font-weight="700">${escaped(word)}</tspan>${escaped(end)}</text>`,
    );
  });
  out.push(...squares(chosen.matrix, within[at], order, senses, left, y, cell));
  const digits = decimals(chosen.matrix);
  for (const [row, i] of order.entries()) {
    for (const [column, j] of order.entries()) {
      const value = chosen.matrix[i]?.[j];
      const text = cellText(value, answer.metric, digits);
      const letters = Math.min(13, (cell - 4) / (0.6 * text.length));
      if (i === j || letters < 7) continue;
      const fill = within[at] ? colour(value, within[at]) : GREY;
      out.push(words(left + (column + 0.5) * cell, y + (row + 0.5) * cell + 0.35 * letters, text, letters, { anchor: "middle", fill: css(inkOn(fill)) }));
    }
  }
  const [a, b] = [order.indexOf(pair[0]), order.indexOf(pair[1])];
  out.push(`<rect x="${left + b * cell}" y="${y + a * cell}" width="${cell}" height="${cell}" fill="none" stroke="${COLOURS[0]}" stroke-width="3"/>`);
  y += side + 20;

  const here = within[at];
  if (here) {
    const colours = legendColours(here.scale, LOOK);
    colours.forEach((each, n) => out.push(`<rect x="${left + (n * 320) / colours.length}" y="${y}" width="${320 / colours.length + 0.5}" height="10" fill="${each}"/>`));
    for (const tick of ticks(here)) out.push(words(left + 320 * tick.at, y + 25, tick.text, 12, { anchor: tick.at === 0 ? "start" : tick.at === 1 ? "end" : "middle" }));
    out.push(words(left, y + 42, [answer.unit, ...legendNotes(here, answer, state.wordsScale)].join("; "), 12, { fill: FAINT }));
  }
  y += 74;

  const value = chosen.matrix[pair[0]]?.[pair[1]];
  write(`Sentences ${pair[0] + 1} and ${pair[1] + 1}: ${value === null || value === undefined ? "–" : brief(value)} ${answer.unit} in layer ${chosen.layer}`, 14, { bold: true });
  for (const n of new Set(pair)) write(`${n + 1}  ${sentences[n] ?? ""}`, 13);
  y += 16;
  const layers = answer.layers.map(({ layer }) => layer);
  const half = (WIDTH - 2 * MARGIN - 40) / 2;
  const curves = (title: string, x: number, lines: readonly Curve[], zero: boolean): void => void out.push(...axes(title, lines, layers, zero, x, y, half, chosen.layer));
  curves(`this pair, ${answer.unit}`, MARGIN, [
    { name: "this pair", y: answer.layers.map(({ matrix }) => matrix[pair[0]]?.[pair[1]] ?? null), dash: "" },
    { name: "random words", y: answer.layers.map(({ random_words }) => random_words), dash: "6 3" },
    ...(answer.metric === "cosine" && answer.correction !== "none" ? [{ name: "anisotropy, uncorrected", y: answer.layers.map(({ anisotropy }) => anisotropy), dash: "2 3" }] : []),
  ], false);
  if (answer.groups)
    curves(`how far the senses lie apart, 95 % interval; best layer ${answer.best}, p = ${number(answer.p_best, 2)}`, MARGIN + half + 40, [
      { name: "apart by", y: answer.layers.map(({ separation }) => separation?.difference ?? null), low: answer.layers.map(({ separation }) => separation?.low ?? null), high: answer.layers.map(({ separation }) => separation?.high ?? null), dash: "" },
    ], true);
  y += 300;

  const height = Math.ceil(y + MARGIN);
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif">` +
    `<title>${escaped(heading)}</title><desc>${escaped(JSON.stringify({ model: body.model, word: body.word, metric: body.metric, correction: body.correction, seed: body.seed }))}</desc>` +
    `<rect width="100%" height="100%" fill="#ffffff"/>${out.join("")}</svg>`;
  return { text, width: WIDTH, height };
}

function words(x: number, y: number, text: string, size: number, { bold = false, anchor = "start", fill = INK }: { bold?: boolean; anchor?: string; fill?: string } = {}): string {
  return `<text x="${x}" y="${y}" font-size="${size}"${bold ? ' font-weight="650"' : ""} text-anchor="${anchor}" fill="${fill}">${escaped(text)}</text>`;
}

/** What stands next to the word, so that all three have at most `room` letters. */
function around(before: string, after: string, room: number): [string, string] {
  const [left, right] = [[...before], [...after]];
  if (left.length + right.length <= room) return [before, after];
  const behind = Math.min(right.length, Math.max(Math.floor(room / 2), room - left.length));
  const ahead = Math.min(left.length, room - behind);
  return [ahead < left.length ? `…${left.slice(left.length - ahead).join("")}` : before, behind < right.length ? `${right.slice(0, behind).join("")}…` : after];
}

function squares(matrix: Shown["answer"]["layers"][number]["matrix"], within: Limits | undefined, order: readonly number[], senses: readonly string[], left: number, top: number, cell: number): string[] {
  const out: string[] = [];
  for (const [row, i] of order.entries())
    for (const [column, j] of order.entries())
      out.push(`<rect x="${left + column * cell}" y="${top + row * cell}" width="${cell + 0.2}" height="${cell + 0.2}" fill="${css(i === j || !within ? GREY : colour(matrix[i]?.[j], within))}"/>`);
  for (const line of dividesOf(order, senses)) {
    const at = line * cell;
    out.push(`<path d="M${left} ${top + at}h${order.length * cell}M${left + at} ${top}v${order.length * cell}" stroke="#101214" stroke-width="1.5"/>`);
  }
  return out;
}

function axes(title: string, curves: readonly Curve[], layers: readonly number[], zero: boolean, left: number, top: number, width: number, chosen: number): string[] {
  const box = { left: left + 46, right: left + width - 10, top: top + 30, bottom: top + 230 };
  const drawn = plot(curves, layers, zero, box);
  const out = [words(left, top + 12, title, 13, { bold: true })];
  for (const tick of drawn.ticks) {
    out.push(`<path d="M${box.left} ${drawn.y(tick)}H${box.right}" stroke="${zero && tick === 0 ? INK : "#d5dbe1"}"/>`);
    out.push(words(box.left - 6, drawn.y(tick) + 4, tick === 0 ? "0" : number(tick, 2), 12, { anchor: "end", fill: FAINT }));
  }
  out.push(`<path d="M${drawn.x(chosen)} ${box.top}V${box.bottom}" stroke="#8a95a1" stroke-dasharray="3 3"/>`);
  for (const layer of drawn.layers) out.push(words(drawn.x(layer), box.bottom + 16, String(layer), 12, { anchor: "middle", bold: layer === chosen, fill: FAINT }));
  out.push(words((box.left + box.right) / 2, box.bottom + 32, "layer", 12, { anchor: "middle", fill: FAINT }));
  let key = left + 46;
  drawn.paths.forEach(({ name, dash, line, band, points }, n) => {
    const ink = COLOURS[n % COLOURS.length] ?? INK;
    if (band) out.push(`<path d="${band}" fill="${ink}" fill-opacity="0.18"/>`);
    out.push(`<path d="${line}" fill="none" stroke="${ink}" stroke-width="2"${dash ? ` stroke-dasharray="${dash}"` : ""}/>`);
    for (const [x, y] of points) out.push(`<circle cx="${x}" cy="${y}" r="3" fill="${ink}"/>`);
    out.push(`<path d="M${key} ${box.bottom + 49}h26" stroke="${ink}" stroke-width="2"${dash ? ` stroke-dasharray="${dash}"` : ""}/>`, words(key + 32, box.bottom + 53, name, 12));
    key += 56 + 7 * name.length;
  });
  return out;
}
