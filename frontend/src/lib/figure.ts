/** The view as one drawing: SVG with the maps as pixels and everything else as text and shapes. */

export interface Panel {
  readonly title: string;
  /** Below the picture, in lines. */
  readonly lines: readonly string[];
  /** A data: address. */
  readonly picture: string;
  readonly legend: { readonly colours: readonly string[]; readonly ticks: readonly { at: number; text: string }[]; readonly text: string } | null;
}

export interface Figure {
  readonly title: string;
  readonly facts: readonly string[];
  readonly columns: number;
  readonly panels: readonly Panel[];
}

const SIZE = 300;
const GAP = 24;
const MARGIN = 28;
const LINE = 17;

/** An SVG document and its size. */
export interface Drawing {
  readonly text: string;
  readonly width: number;
  readonly height: number;
}

export function svg(figure: Figure): Drawing {
  const columns = Math.max(1, Math.min(figure.columns, figure.panels.length));
  const width = 2 * MARGIN + columns * SIZE + (columns - 1) * GAP;
  const facts = figure.facts.flatMap((line) => wrapped(line, Math.floor((width - 2 * MARGIN) / 7)));
  const title = wrapped(figure.title, Math.floor((width - 2 * MARGIN) / 12));
  const header = MARGIN + 6 + 24 * title.length + LINE * facts.length + 14;
  const heads = figure.panels.map((panel) => wrapped(panel.title, 32));
  const bodies = figure.panels.map((panel) => panel.lines.flatMap((line) => wrapped(line, 44)));
  const legends = figure.panels.map((panel) => (panel.legend ? wrapped(panel.legend.text, 44) : []));
  const parts: string[] = [];
  let top = header;
  for (let start = 0; start < figure.panels.length; start += columns) {
    let tallest = 0;
    const lines = Math.max(...heads.slice(start, start + columns).map((head) => head.length));
    for (let i = start; i < Math.min(start + columns, figure.panels.length); i++) {
      const panel = figure.panels[i];
      if (!panel) continue;
      const left = MARGIN + (i - start) * (SIZE + GAP);
      let y = top + 16;
      (heads[i] ?? []).forEach((line, n) => parts.push(words(left, y + 19 * n, line, 15, true)));
      y += 19 * (lines - 1) + 8;
      parts.push(`<image x="${left}" y="${y}" width="${SIZE}" height="${SIZE}" href="${escaped(panel.picture)}" style="image-rendering:pixelated"/>`);
      y += SIZE + 8;
      if (panel.legend) {
        const step = SIZE / panel.legend.colours.length;
        panel.legend.colours.forEach((colour, n) => parts.push(`<rect x="${left + n * step}" y="${y}" width="${step + 0.5}" height="10" fill="${colour}"/>`));
        y += 24;
        for (const { at, text } of panel.legend.ticks) {
          const anchor = at === 0 ? "start" : at === 1 ? "end" : "middle";
          parts.push(words(left + at * SIZE, y, text, 12, false, anchor));
        }
        for (const line of legends[i] ?? []) parts.push(words(left, (y += LINE), line, 12, false, "start", "#55606b"));
      }
      for (const line of bodies[i] ?? []) parts.push(words(left, (y += LINE), line, 12));
      tallest = Math.max(tallest, y - top);
    }
    top += tallest + GAP;
  }
  const height = Math.ceil(top - GAP + MARGIN);
  const head = [...title.map((line, n) => words(MARGIN, MARGIN + 14 + 24 * n, line, 20, true)), ...facts.map((line, n) => words(MARGIN, MARGIN + 14 + 24 * title.length + n * LINE, line, 13, false, "start", "#55606b"))];
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, 'DejaVu Sans', sans-serif">` +
    `<title>${escaped(figure.title)}</title><rect width="100%" height="100%" fill="#ffffff"/>${head.join("")}${parts.join("")}</svg>`;
  return { text, width, height };
}

function words(x: number, y: number, text: string, size: number, bold = false, anchor = "start", fill = "#1b1f24"): string {
  return `<text x="${x}" y="${y}" font-size="${size}"${bold ? ' font-weight="650"' : ""} text-anchor="${anchor}" fill="${fill}">${escaped(text)}</text>`;
}

export const escaped = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Lines of at most so many characters, broken at spaces where there are any. */
export function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let rest = word;
    if (line && line.length + 1 + rest.length > most) lines.push(line), (line = "");
    while (rest.length > most) lines.push(rest.slice(0, most)), (rest = rest.slice(most));
    line = line ? `${line} ${rest}` : rest;
  }
  return line || lines.length === 0 ? [...lines, line] : lines;
}
