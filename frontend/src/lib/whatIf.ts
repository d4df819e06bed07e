/** What the superpixel lab shows: the weights, and what the network says when the strongest are kept or removed. */
import type { Predicted } from "../api/types";
import { number, percent } from "./numbers";

export interface WhatIf {
  /** Heaviest first. */
  readonly strongest: readonly number[];
  readonly weights: readonly number[];
  readonly errors: readonly (number | null)[];
  readonly unit: string;
  readonly fit: number | null;
  readonly label: string;
  readonly target: number;
  readonly k: number;
  readonly action: "keep" | "remove";
  readonly before: Predicted | null;
  readonly after: Predicted | null;
}

/** What the network is shown. */
export const shownText = ({ action, k, strongest }: WhatIf): string => `${action === "keep" ? "only" : "all but"} the ${Math.min(k, strongest.length)} strongest superpixels`;

export const rankText = ({ strongest, k, action }: WhatIf, rank: number): string => `${rank + 1}. superpixel ${strongest[rank]}${rank < k ? (action === "keep" ? ", kept" : ", removed") : ""}`;

export const weightText = ({ strongest, weights, errors }: WhatIf, rank: number): string => `${number(weights[strongest[rank] ?? -1])} ± ${number(errors[strongest[rank] ?? -1], 2)}`;

const probability = (given: Predicted | null, target: number): number | null => given?.predictions.find(({ index }) => index === target)?.probability ?? null;

/** Of the target, whole and then. */
export function changeText({ label, target, before, after }: WhatIf): { label: string; was: string; is: string } {
  const [was, is] = [before, after].map((given) => probability(given, target));
  return { label, was: typeof was === "number" ? percent(was) : "…", is: typeof is === "number" ? percent(is) : "…" };
}

/** Below the picture of an exported figure. */
export function captions(one: WhatIf): string[] {
  const { label, was, is } = changeText(one);
  return [
    `${label}: ${was} → ${is}`,
    ...(one.after?.predictions.slice(0, 5).map((row) => `then ${row.label}: ${percent(row.probability)}`) ?? []),
    `weights of ${label}, ${one.unit}, ± standard error${one.fit === null ? "" : `; R² of the surrogate ${number(one.fit, 2)}`}:`,
    ...one.strongest.slice(0, Math.max(12, one.k)).map((_, rank) => `${rankText(one, rank)}: ${weightText(one, rank)}`),
  ];
}

/** Its numbers, in the columns of the maps' table: picture, method, target, unit, row, column, score. */
export function* numbers(picture: string, one: WhatIf): Generator<readonly (string | number | null)[]> {
  for (const index of one.strongest) {
    yield [picture, `weight of superpixel ${index}`, one.label, one.unit, null, null, one.weights[index] ?? null];
    yield [picture, `standard error of superpixel ${index}`, one.label, one.unit, null, null, one.errors[index] ?? null];
  }
  yield [picture, "R² of the surrogate", one.label, "", null, null, one.fit];
  for (const [shown, given] of [["the whole picture", one.before], [shownText(one), one.after]] as const) {
    for (const row of given?.predictions.slice(0, 5) ?? []) yield [picture, `shown ${shown}`, row.label, "probability", null, null, row.probability];
    const target = given?.predictions.findIndex(({ index }) => index === one.target) ?? -1;
    if (target >= 5) yield [picture, `shown ${shown}`, one.label, "probability", null, null, probability(given, one.target)];
  }
}
