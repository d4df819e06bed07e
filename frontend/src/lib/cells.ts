/** What one map of the view consists of, made from the state, the jobs and nothing else. */
import type { ExplainBody, ExplainStep, JobView, Method, Scores } from "../api/types";
import { floats, integers } from "./bytes";
import type { Named } from "./codec";
import { type Limits, limitsOf, type Scale } from "./colours";
import { number } from "./numbers";
import { presetOf, withoutDefaults } from "./schema";
import type { State } from "./state";

export interface Cell {
  readonly body: ExplainBody;
  readonly method: Named;
  readonly title: string;
  readonly source: string;
  readonly picture: string;
  /** The class that the target was set against. */
  readonly against: string | null;
  readonly job: JobView<ExplainStep>;
  readonly map: Float32Array | null;
  readonly width: number;
  readonly height: number;
  readonly segments: Int32Array | null;
  readonly limits: Limits | null;
  readonly shared: boolean;
  /** Which channels the map shows, where that is not what the method itself folds them to. */
  readonly channel: string;
}

export function explainBody(state: State, method: Named, source: string, schema: Method | undefined): ExplainBody {
  const preset = schema && Object.keys(method.options).length ? presetOf(schema.options, schema.presets, { ...method.options }) : null;
  const { seed, ...options } = schema ? withoutDefaults(schema.options, { ...method.options }) : { ...method.options };
  return {
    kind: "explain",
    request: {
      model: state.model,
      source: [source],
      target: state.target === null ? null : [state.target],
      against: state.against,
      method: method.name,
      options: preset === null ? options : {},
      seed: typeof seed === "number" ? seed : null,
    },
    ...(preset === null ? {} : { preset }),
    trust: true,
  };
}

const decoded = new WeakMap<object, Float32Array>();
const decodedSegments = new WeakMap<object, Int32Array>();
const decodedScores = new WeakMap<object, Float32Array>();
const ownLimits = new WeakMap<Float32Array, Partial<Record<Scale, Limits>>>();

/** The map of a step, decoded once. */
export function mapOf(step: ExplainStep): Float32Array | null {
  const sent = step.maps[0];
  if (!sent) return null;
  let map = decoded.get(sent);
  if (!map) decoded.set(sent, (map = floats(sent.data, sent.height * sent.width)));
  return map;
}

export function segmentsOf(step: ExplainStep): Int32Array | null {
  const sent = step.extras.segments?.[0];
  const size = step.maps[0];
  if (!sent || !size) return null;
  let segments = decodedSegments.get(step);
  if (!segments) decodedSegments.set(step, (segments = integers(sent, size.height * size.width)));
  return segments;
}

const CHANNELS = { red: 0, green: 1, blue: 2 } as const;
const channelMaps = new WeakMap<object, Map<number, Float32Array>>();

/** One channel of the scores as they are; null where there is no such channel. */
export function channelOf(scores: Scores, channel: keyof typeof CHANNELS): Float32Array | null {
  const index = CHANNELS[channel];
  if (index >= scores.channels || scores.channels === 1) return null;
  let all = decodedScores.get(scores);
  if (!all) decodedScores.set(scores, (all = floats(scores.data, scores.channels * scores.height * scores.width)));
  let maps = channelMaps.get(scores);
  if (!maps) channelMaps.set(scores, (maps = new Map()));
  let map = maps.get(index);
  const size = scores.height * scores.width;
  if (!map) maps.set(index, (map = all.slice(index * size, (index + 1) * size)));
  return map;
}

export function limitsFor(map: Float32Array, scale: Scale): Limits {
  let known = ownLimits.get(map);
  if (!known) ownLimits.set(map, (known = {}));
  return (known[scale] ??= limitsOf([map], scale));
}

export function cellOf(
  body: ExplainBody,
  method: Named,
  title: string,
  picture: string,
  labels: readonly string[],
  job: JobView<ExplainStep>,
  channel: State["channel"],
  scores: Scores | null,
): Cell {
  const step = job.step;
  const sent = step?.maps[0];
  const folded = step ? mapOf(step) : null;
  const single = channel !== "folded" && scores ? channelOf(scores, channel) : null;
  const map = single ?? folded;
  return {
    body,
    method,
    title,
    source: body.request.source[0] ?? "",
    picture,
    against: typeof step?.against === "number" ? (labels[step.against] ?? `class ${step.against}`) : null,
    job,
    map,
    width: sent?.width ?? 224,
    height: sent?.height ?? 224,
    segments: step ? segmentsOf(step) : null,
    limits: map && step ? limitsFor(map, step.scale) : null,
    shared: false,
    channel: channel === "folded" || !step ? "" : single ? `${channel} channel` : scores ? "no channels of its own" : "all channels so far",
  };
}

/** Cells of one unit and one kind of scale between the same limits, so that they compare in strength. */
export function sharing(cells: readonly Cell[]): Cell[] {
  const groups = new Map<string, Cell[]>();
  const groupOf = (cell: Cell): string => `${cell.job.step?.scale} ${cell.job.step?.unit}`;
  for (const cell of cells) if (cell.map) groups.set(groupOf(cell), [...(groups.get(groupOf(cell)) ?? []), cell]);
  const limits = new Map<string, Limits>();
  for (const [key, members] of groups) {
    const scale = members[0]?.job.step?.scale;
    if (scale) limits.set(key, common(members.flatMap((cell) => (cell.map ? [cell.map] : [])), scale));
  }
  return cells.map((cell) => ({ ...cell, limits: limits.get(groupOf(cell)) ?? cell.limits, shared: true }));
}

const commonLimits: { maps: readonly Float32Array[]; limits: Limits }[] = [];

/** The common limits, the same object for the same maps: nothing is sorted or painted anew that did not change. */
function common(maps: readonly Float32Array[], scale: Scale): Limits {
  const found = commonLimits.find((one) => one.limits.scale === scale && one.maps.length === maps.length && one.maps.every((map, i) => map === maps[i]));
  if (found) return found.limits;
  const limits = limitsOf(maps, scale);
  commonLimits.unshift({ maps, limits });
  commonLimits.length = Math.min(commonLimits.length, 8);
  return limits;
}

/** Options as they are said below a title: only those that differ from the defaults. */
export const optionText = (method: Named): string =>
  Object.entries(method.options)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
    .join(", ");

/** `224 × 224, -0.12 to 0.31 logit`: shape and range. */
export function caption(cell: Cell): string {
  if (!cell.map || !cell.job.step) return "";
  const [low, high] = extent(cell.map);
  return `${cell.height} × ${cell.width}, ${number(low)} to ${number(high)}${cell.channel ? `, ${cell.channel}` : ""}`;
}

const extents = new WeakMap<Float32Array, readonly [number, number]>();
export function extent(map: Float32Array): readonly [number, number] {
  let known = extents.get(map);
  if (!known) {
    let low = Infinity;
    let high = -Infinity;
    for (const value of map) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    extents.set(map, (known = [low, high]));
  }
  return known;
}

/** Where in the picture, in words: `upper left`, `centre`. */
export function region(row: number, column: number, height: number, width: number): string {
  const down = ["upper", "", "lower"][Math.min(2, Math.floor((3 * row) / height))] ?? "";
  const across = ["left", "", "right"][Math.min(2, Math.floor((3 * column) / width))] ?? "";
  return `${down} ${across}`.trim() || "centre";
}

const strongestPlaces = new WeakMap<Float32Array, number>();
function strongestOf(map: Float32Array): number {
  const known = strongestPlaces.get(map);
  if (known !== undefined) return known;
  let strongest = 0;
  for (let i = 1; i < map.length; i++) if (Math.abs(map[i] ?? 0) > Math.abs(map[strongest] ?? 0)) strongest = i;
  strongestPlaces.set(map, strongest);
  return strongest;
}

/** A map for those who do not see it. */
export function described(cell: Cell): string {
  const step = cell.job.step;
  const { map } = cell;
  if (!map || !step) return `${cell.title} on ${cell.picture}: no map yet.`;
  const strongest = strongestOf(map);
  const row = Math.floor(strongest / cell.width);
  const column = strongest % cell.width;
  return (
    `${cell.title} for ${step.labels[0] ?? "the class"} on ${cell.picture}, ${caption(cell)} ${step.unit}; ` +
    `strongest ${(map[strongest] ?? 0) < 0 ? "against" : "for"} it at row ${row}, column ${column}, ${region(row, column, cell.height, cell.width)}.`
  );
}

export function phaseText(job: JobView<{ step: number; fraction: number; seconds: number }>): string {
  switch (job.phase) {
    case "asking":
      return "asking…";
    case "waiting":
      return job.message;
    case "queued":
      return job.position ? `in line, place ${job.position}` : "in line";
    case "running":
      return job.step ? `step ${job.step.step}, ${Math.round(100 * job.step.fraction)} %` : "starting…";
    case "weighing":
      return "weighing it…";
    case "done":
      return job.step ? `done in ${job.step.seconds.toFixed(1)} s` : "done";
    case "cancelled":
      return job.step ? `cancelled at ${Math.round(100 * job.step.fraction)} %` : "cancelled";
    case "failed":
      return "failed";
    case "absent":
      return "not in this copy";
  }
}

/** What stands where the verdict will be. */
export function awaited(job: JobView<unknown>): string {
  if (job.phase === "cancelled") return job.step ? "Cancelled: the best answer so far, not weighed." : "Cancelled before there was a map.";
  if (job.phase === "failed" || job.phase === "absent") return "No evidence.";
  if (job.phase === "weighing") return "Weighing the evidence: how far can this map be trusted?";
  if (job.phase === "done") return "No evidence was gathered.";
  return "The verdict comes after the map.";
}
