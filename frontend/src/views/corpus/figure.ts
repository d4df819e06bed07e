/** The Corpus room as one drawing: hits on the left, their tags on the right. */
import { barsOf, headOf, type Histogram, type Hit, likeness, offsetName, type Piece, pieces, pText, SIGNS, type Tag, tagAt } from "../../lib/corpus";
import { type Drawing, escaped, wrapped } from "../../lib/figure";
import { percent } from "../../lib/numbers";

export interface Figure {
  readonly title: string;
  readonly facts: readonly string[];
  readonly hits: readonly Hit[];
  readonly offsets: readonly number[];
  readonly tag: Tag;
  readonly histograms: readonly Histogram[];
}

const MARGIN = 28;
const LEFT = 760;
const RIGHT = 400;
const LINE = 17;
const INK = "#1b1f24";
const FAINT = "#55606b";

/** The view as vectors: hits on the left, their tags on the right. */
export function drawing(figure: Figure): Drawing {
  const width = MARGIN * 3 + LEFT + RIGHT;
  const parts: string[] = [];
  let y = MARGIN + 14;
  for (const line of wrapped(figure.title, 100)) parts.push(say(MARGIN, y, line, 20, "bold")), (y += 24);
  for (const line of figure.facts.flatMap((fact) => wrapped(fact, 165))) parts.push(say(MARGIN, y, line, 13, "", FAINT)), (y += LINE);
  parts.push(`<text x="${MARGIN}" y="${y}" font-size="13" fill="${FAINT}">Marks: <tspan ${MARKS.match}>the match</tspan>, <tspan ${MARKS.next}>the next word</tspan>, <tspan ${MARKS.attended}>the word that it attends to most</tspan>.</text>`);
  const top = y + 30;

  const column = 62;
  const room = LEFT - 56 - column * figure.offsets.length;
  y = top;
  parts.push(say(MARGIN, y, "alike", 12, "bold"), say(MARGIN + 56, y, "sentence", 12, "bold"));
  figure.offsets.forEach((offset, n) => parts.push(say(MARGIN + 56 + room + n * column + 8, y, offsetName(offset), 12, "bold")));
  for (const hit of figure.hits) {
    y += 22;
    parts.push(say(MARGIN, y, likeness(hit.similarity), 12));
    figure.offsets.forEach((offset, n) => parts.push(say(MARGIN + 56 + room + n * column + 8, y, tagAt(hit, offset, figure.tag), 11)));
    const shown = pieces(hit);
    const lines = broken(shown[0]?.gap ? [{ ...shown[0], text: "… " }, ...shown.slice(1)] : shown, Math.floor(room / 6.8));
    lines.forEach((line, n) => parts.push(`<text x="${MARGIN + 56}" y="${y + n * LINE}" font-size="12.5" fill="${INK}" xml:space="preserve">${line.map(spanned).join("")}</text>`));
    y += (lines.length - 1) * LINE;
  }
  let bottom = y;

  y = top;
  const left = 2 * MARGIN + LEFT;
  for (const one of figure.histograms) {
    parts.push(say(left, y, `${headOf(one)} (${one.total})`, 14, "bold"));
    y += 10;
    for (const bar of barsOf(one)) {
      const [from, span] = [left + 92, 150];
      y += 18;
      parts.push(say(left, y, bar.name, 12), `<rect x="${from}" y="${y - 10}" width="${span * bar.share}" height="11" fill="#7fb2dd"/>`);
      parts.push(`<line x1="${from + span * bar.low}" x2="${from + span * bar.high}" y1="${y - 4.5}" y2="${y - 4.5}" stroke="${INK}"/>`);
      if (bar.base !== null) parts.push(`<line x1="${from + span * bar.base}" x2="${from + span * bar.base}" y1="${y - 13}" y2="${y + 4}" stroke="#a1182b" stroke-width="2"/>`);
      parts.push(say(from + span + 8, y, `${percent(bar.share)}${bar.base === null ? "" : ` / ${percent(bar.base)} ${SIGNS[bar.verdict]}`}${bar.p === null ? "" : ` p ${pText(bar.p)}`}`, 11));
    }
    y += 34;
  }
  parts.push(...wrapped("Bars: share among the hits; line through them: its 95 % interval; red line: share in the corpus; ▲ ▼: more or less often than there, p < 0.05 over all bars of a histogram together (exact binomial test, Bonferroni).", 62).map((line) => say(left, (y += 15), line, 11, "", FAINT)));
  bottom = Math.max(bottom, y) + MARGIN;
  const height = Math.ceil(bottom);
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif">` +
    `<title>${escaped(figure.title)}</title><rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>`;
  return { text, width, height };
}

const MARKS = {
  match: 'font-weight="700" fill="#0b5cad"',
  next: 'text-decoration="underline"',
  attended: 'font-style="italic" text-decoration="overline" fill="#7a4b00"',
};

const say = (x: number, y: number, text: string, size: number, weight: "bold" | "" = "", fill = INK): string =>
  `<text x="${x}" y="${y}" font-size="${size}"${weight ? ' font-weight="650"' : ""} fill="${fill}">${escaped(text)}</text>`;

function spanned(piece: Piece): string {
  const marks = piece.match ? MARKS.match : piece.attended && piece.next ? `${MARKS.attended.replace("overline", "underline overline")}` : piece.attended ? MARKS.attended : piece.next ? MARKS.next : "";
  return marks ? `<tspan ${marks}>${escaped(piece.text)}</tspan>` : escaped(piece.text);
}

/** Pieces in lines of at most so many characters, broken behind spaces where there are any. */
export function broken(given: readonly Piece[], most: number): Piece[][] {
  const lines: Piece[][] = [[]];
  let length = 0;
  for (const piece of given) {
    for (const chunk of piece.text.replace(/\s+/g, " ").match(/[^ ]* ?/g) ?? []) {
      if (!chunk) continue;
      let rest = chunk;
      if (length > 0 && length + rest.trimEnd().length > most) lines.push([]), (length = 0);
      while (rest.length > most) lines.at(-1)?.push({ ...piece, text: rest.slice(0, most) }), lines.push([]), (rest = rest.slice(most));
      const line = lines.at(-1) ?? [];
      const last = line.at(-1);
      if (last && last.match === piece.match && last.next === piece.next && last.attended === piece.attended) line[line.length - 1] = { ...last, text: last.text + rest };
      else line.push({ ...piece, text: rest });
      length += rest.length;
    }
  }
  return lines.filter((line) => line.length > 0);
}
