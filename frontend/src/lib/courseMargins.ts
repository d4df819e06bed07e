/** The strip plot of one option's margins: every run a mark, a row an axis. Places in pixels; knows neither page nor server. */
import { scaleLinear } from "d3-scale";
import type { CandidateEvidence } from "../api/courseStaff";
import { number } from "./numbers";

export const EDGE = { right: 14, top: 22, bottom: 38 } as const;
const RADIUS = 3.5;
/** Marks of one row that would lie on each other are moved apart by so much, up and down in turn, this often at most. */
const STEP = 7;
const LEVELS = 4;
/** What a row has beside its marks. */
const PADDING = 12;
/** Pixels of a letter, on average. */
const LETTER = 6.4;

/** `seed 3` and `seed 17` are runs of one axis; so are `samples +25 %` and `samples -25 %`. */
export const axisOf = (name: string): string => name.replace(/\s[-+]?\d.*$/, "").trim();

interface Measured {
  readonly axis: string;
  readonly margin: number;
}
const measured = ({ runs }: CandidateEvidence): Measured[] => runs.flatMap(({ axis, margin }) => (margin === null ? [] : [{ axis, margin }]));
/** On the other side of zero than the mean. */
const turned = (margin: number, mean: number | null): boolean => mean !== null && margin * mean < 0;

export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly run: Measured;
  readonly crosses: boolean;
}

export interface Strip {
  readonly height: number;
  /** Where the scale begins, right of the axes' names. */
  readonly left: number;
  readonly rows: readonly { readonly name: string; readonly y: number }[];
  readonly marks: readonly Mark[];
  readonly ticks: readonly { readonly x: number; readonly text: string }[];
  readonly zero: number;
  /** Where a margin is too small for an eye. */
  readonly band: { readonly x: number; readonly width: number };
  readonly mean: number | null;
}

/** Low and high of all margins of the options that share a unit, zero and the floors among them: one scale for one question. */
export function domainOf(options: readonly CandidateEvidence[]): [number, number] {
  const values = options.flatMap((one) => [...measured(one).map(({ margin }) => margin), one.floor, -one.floor]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return low === high ? [-1, 1] : [low, high];
}

export function strip(one: CandidateEvidence, domain: readonly [number, number], width: number): Strip {
  const runs = measured(one);
  const names = [...new Set(runs.map(({ axis }) => axisOf(axis)))];
  const left = Math.min(0.4 * width, 24 + LETTER * Math.max(0, ...names.map((name) => name.length)));
  const x = scaleLinear().domain(domain).nice(6).range([left, width - EDGE.right]);
  const rows: { name: string; y: number }[] = [];
  const marks: Mark[] = [];
  let top: number = EDGE.top;
  for (const name of names) {
    const placed = spread(runs.filter(({ axis }) => axisOf(axis) === name), x);
    const tallest = Math.max(1, ...placed.map(({ level }) => Math.abs(level)));
    const y = top + PADDING / 2 + STEP * tallest;
    rows.push({ name, y });
    marks.push(...placed.map(({ at, level, run }) => ({ x: at, y: y + STEP * level, run, crosses: turned(run.margin, one.margin) })));
    top = y + STEP * tallest + PADDING / 2;
  }
  return {
    height: top + EDGE.bottom,
    left,
    rows,
    marks,
    ticks: x.ticks(Math.max(2, Math.min(7, Math.floor((width - left - EDGE.right) / 55)))).map((at) => ({ x: x(at), text: at === 0 ? "0" : number(at, 2) })),
    zero: x(0),
    band: { x: x(-one.floor), width: x(one.floor) - x(-one.floor) },
    mean: typeof one.margin === "number" ? x(one.margin) : null,
  };
}

/** The runs of one row from left to right; one that would cover its neighbour moves up or down. */
function spread(runs: readonly Measured[], x: (margin: number) => number): { at: number; level: number; run: Measured }[] {
  const levels = [0, ...Array.from({ length: LEVELS }, (_, n) => [-n - 1, n + 1]).flat()];
  const placed: { at: number; level: number; run: Measured }[] = [];
  for (const run of [...runs].sort((a, b) => a.margin - b.margin)) {
    const at = x(run.margin);
    const free = levels.find((level) => !placed.some((mark) => mark.level === level && Math.abs(mark.at - at) < 2 * RADIUS));
    placed.push({ at, level: free ?? 0, run });
  }
  return placed;
}

/** The plot for somebody who does not see it. */
export function described(one: CandidateEvidence): string {
  const runs = measured(one);
  const lacking = one.runs.filter(({ margin }) => margin === null);
  if (runs.length === 0) return one.runs.length ? `None of the ${one.runs.length} runs has a value.` : "No run: there is nothing to plot.";
  const margins = runs.map(({ margin }) => margin);
  const crossing = runs.filter(({ margin }) => turned(margin, one.margin));
  const near = margins.filter((margin) => Math.abs(margin) < one.floor).length;
  return [
    `Margins of ${runs.length} ${runs.length === 1 ? "run" : "runs"}, from ${number(Math.min(...margins))} to ${number(Math.max(...margins))} ${one.unit}`,
    typeof one.margin === "number" && typeof one.sd === "number" ? `mean ${number(one.margin)}, standard deviation ${number(one.sd)}` : "",
    crossing.length ? `on the other side of zero: ${crossing.map(({ axis }) => axis).join(", ")}` : one.margin === null ? "" : "all on one side of zero",
    near ? `${near} nearer to zero than the floor of ${number(one.floor)}` : `none nearer to zero than the floor of ${number(one.floor)}`,
    lacking.length ? `no value in: ${lacking.map(({ axis }) => axis).join(", ")}` : "",
  ].filter(Boolean).join("; ") + ".";
}

/** What one mark says. */
export const runInWords = (run: Measured, unit: string): string => `${run.axis}: margin ${number(run.margin)} ${unit}`.trim();
