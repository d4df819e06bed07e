/** The strip plot of one option's margins: every run a mark, a row an axis. Places in pixels; knows neither page nor server. */
import { scaleLinear } from "d3-scale";
import type { CandidateEvidence, Run } from "../api/courseStaff";
import { number } from "./numbers";

export const ROW = 26;
export const EDGE = { left: 128, right: 14, top: 22, bottom: 38 } as const;
/** Marks of one row that would lie on each other are moved apart by so much, up and down in turn. */
const STEP = 5;
const RADIUS = 3.5;

/** `seed 3` and `seed 17` are runs of one axis; so are `samples +25 %` and `samples -25 %`. */
export const axisOf = (name: string): string => /^[^\s:=]+/.exec(name.trim())?.[0] ?? name;

export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly run: Run;
  /** On the other side of zero than the mean. */
  readonly crosses: boolean;
}

export interface Strip {
  readonly height: number;
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
  const values = options.flatMap(({ runs, floor }) => [...runs.map(({ margin }) => margin), floor, -floor]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return low === high ? [-1, 1] : [low, high];
}

export function strip(one: CandidateEvidence, domain: readonly [number, number], width: number): Strip {
  const x = scaleLinear().domain(domain).nice(6).range([EDGE.left, width - EDGE.right]);
  const names = [...new Set(one.runs.map(({ axis }) => axisOf(axis)))];
  const rows = names.map((name, n) => ({ name, y: EDGE.top + ROW * (n + 0.5) }));
  const marks = rows.flatMap(({ name, y }) => spread(one, one.runs.filter(({ axis }) => axisOf(axis) === name), x, y));
  return {
    height: EDGE.top + ROW * Math.max(1, rows.length) + EDGE.bottom,
    rows,
    marks,
    ticks: x.ticks(Math.max(2, Math.min(7, Math.floor((width - EDGE.left - EDGE.right) / 70)))).map((at) => ({ x: x(at), text: at === 0 ? "0" : number(at, 2) })),
    zero: x(0),
    band: { x: x(-one.floor), width: x(one.floor) - x(-one.floor) },
    mean: typeof one.margin === "number" ? x(one.margin) : null,
  };
}

/** The runs of one row from left to right; one that would cover its neighbour moves up or down. */
function spread(one: CandidateEvidence, runs: readonly Run[], x: (margin: number) => number, middle: number): Mark[] {
  const placed: Mark[] = [];
  for (const run of [...runs].sort((a, b) => a.margin - b.margin)) {
    const at = x(run.margin);
    const free = [0, -1, 1, -2, 2].find((level) => !placed.some((mark) => Math.abs(mark.x - at) < 2 * RADIUS && mark.y === middle + level * STEP));
    placed.push({ x: at, y: middle + (free ?? 0) * STEP, run, crosses: typeof one.margin === "number" && run.margin * one.margin < 0 });
  }
  return placed;
}

/** The plot for somebody who does not see it. */
export function described(one: CandidateEvidence): string {
  if (one.runs.length === 0) return "No run: there is nothing to plot.";
  const margins = one.runs.map(({ margin }) => margin);
  const crossing = one.runs.filter(({ margin }) => typeof one.margin === "number" && margin * one.margin < 0);
  const near = margins.filter((margin) => Math.abs(margin) < one.floor).length;
  return [
    `Margins of ${one.runs.length} ${one.runs.length === 1 ? "run" : "runs"}, from ${number(Math.min(...margins))} to ${number(Math.max(...margins))} ${one.unit}`,
    typeof one.margin === "number" && typeof one.sd === "number" ? `mean ${number(one.margin)}, standard deviation ${number(one.sd)}` : "",
    crossing.length ? `on the other side of zero: ${crossing.map(({ axis }) => axis).join(", ")}` : "all on one side of zero",
    near ? `${near} nearer to zero than the floor of ${number(one.floor)}` : `none nearer to zero than the floor of ${number(one.floor)}`,
  ].filter(Boolean).join("; ") + ".";
}

/** What one mark says. */
export const runInWords = (run: Run, unit: string): string => `${run.axis}: margin ${number(run.margin)} ${unit}`.trim();
