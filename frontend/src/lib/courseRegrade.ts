/** Changes of a key as an instructor edits them, and what a preview of them says. Knows neither page nor server. */
import type { Change, Changes, KeyValue, Regrade } from "../api/courseStaff";
import { points } from "./courseKey";

/** What is edited of one question. */
export interface Draft {
  readonly accepted: readonly (readonly string[])[];
  readonly disregard: readonly string[];
  readonly full: boolean;
}

export const draftOf = (key: KeyValue, question: string): Draft => ({
  accepted: (key.accepted[question] ?? []).map((one) => [...one]),
  disregard: [...(key.disregarded[question] ?? [])],
  full: key.full.includes(question),
});

const canonical = ({ accepted, disregard, full }: Draft): string =>
  JSON.stringify([accepted.map((one) => [...one].sort().join(" ")).sort(), [...disregard].sort(), full]);

export const same = (a: Draft, b: Draft): boolean => canonical(a) === canonical(b);

export const flip = (ids: readonly string[], id: string): string[] => (ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]);

/** Why this draft of a question cannot be asked for; "" if it can. `options` are the ids of all its options. */
export function complaint(draft: Draft, options: readonly string[]): string {
  if (draft.full) return "";
  if (options.length && options.every((id) => draft.disregard.includes(id))) return "With every option disregarded nothing is left to judge; give full points instead.";
  if (draft.accepted.length === 0) return "Accept at least one selection, or give full points.";
  if (draft.accepted.some((one) => one.length === 0)) return "An accepted selection needs an option: choosing nothing is no answer and earns nothing.";
  const left = draft.accepted.map((one) => one.filter((id) => !draft.disregard.includes(id)).sort().join(" "));
  if (new Set(left).size < left.length) return "Two accepted selections are the same; remove one.";
  return "";
}

/** The drafts that differ from the key, as the server takes them, in the assignment's order. */
export function changesOf(key: KeyValue, drafts: Readonly<Record<string, Draft>>): Changes {
  const found: Record<string, Change> = {};
  for (const question of Object.keys(key.accepted)) {
    const draft = drafts[question];
    if (!draft || same(draft, draftOf(key, question))) continue;
    found[question] = { accepted: draft.accepted.map((one) => [...one].sort()), disregard: [...draft.disregard].sort(), full: draft.full };
  }
  return found;
}

/** `1 rises, 2 fall, 497 stay; the mean goes from 6.20 to 6.31 of 10 points.` */
export function regradeInWords({ rise, fall, unchanged, mean_before, mean_after }: Regrade, ofTenths: number): string {
  const mean = (tenths: number): string => (tenths / 10).toFixed(2);
  return `${rise.length} ${rise.length === 1 ? "rises" : "rise"}, ${fall.length} ${fall.length === 1 ? "falls" : "fall"}, ${unchanged} ${unchanged === 1 ? "stays" : "stay"}; the mean goes from ${mean(mean_before)} to ${mean(mean_after)} of ${points(ofTenths)} points.`;
}

export const POLICIES = {
  replace: { name: "Replace the old key", note: "Every answer is judged by the new key alone; somebody may fall." },
  either: { name: "Accept either", note: "A selection that the old key or the new key accepts earns the points; nobody falls." },
} as const;
export type Policy = keyof typeof POLICIES;
