/** Choices that a server has not acknowledged, as a browser keeps them: one entry a question, under user and assignment. */

export type Selection = readonly string[];

/** A choice that the server has not acknowledged, as it is kept. */
export interface Kept {
  readonly selected: Selection;
  readonly operation: string;
  /** The sequence that was known when it was chosen. */
  readonly base: number;
  /** When it was chosen, by the server's clock. */
  readonly chosen: string;
  /** Whether it was ever sent: then the server may have it. */
  readonly sent: boolean;
  /** Earlier choices that were sent and not acknowledged: if the server has one, it is nobody else's. */
  readonly unsure: readonly Selection[];
  /** Whether it was said that the course closed before this was received: then it is sent only when somebody says so. */
  readonly late: boolean;
}

/** The part of `localStorage` that is needed. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

const PREFIX = "pellucid-course";

/** How the keys of one person and one assignment begin; the question follows. */
export const prefixOf = (member: string, assignment: string): string => [PREFIX, ...[member, assignment].map(encodeURIComponent), ""].join(":");

/** What a person left unsent under other assignments: its question's id, and what was chosen when. */
export function leftOver(shelf: Shelf | null, member: string, assignment: string): readonly (Kept & { readonly question: string; readonly key: string })[] {
  const all = `${PREFIX}:${encodeURIComponent(member)}:`;
  return keptUnder(shelf, all).flatMap(([rest, kept]) =>
    rest.startsWith(`${encodeURIComponent(assignment)}:`) ? [] : [{ ...kept, question: decodeURIComponent(rest.slice(rest.indexOf(":") + 1)), key: all + rest }],
  );
}

/** By what follows the prefix in the key, oldest choice first. */
export function keptUnder(shelf: Shelf | null, prefix: string): readonly (readonly [string, Kept])[] {
  const found: [string, Kept][] = [];
  for (let at = 0; shelf && at < shelf.length; at++) {
    const key = shelf.key(at) ?? "";
    const kept = key.startsWith(prefix) ? readKept(shelf.getItem(key)) : null;
    if (kept) found.push([key.slice(prefix.length), kept]);
  }
  return found.sort(([, one], [, other]) => Date.parse(one.chosen) - Date.parse(other.chosen));
}

export function readKept(text: string | null): Kept | null {
  try {
    const given = JSON.parse(text ?? "null") as Partial<Kept> | null;
    if (!given || !Array.isArray(given.selected) || typeof given.operation !== "string" || typeof given.base !== "number") return null;
    return { selected: given.selected, operation: given.operation, base: given.base, chosen: given.chosen ?? new Date(0).toISOString(), sent: given.sent === true, unsure: given.unsure ?? [], late: given.late === true };
  } catch {
    return null; // somebody else's, or half written
  }
}

/** A new id for an operation. */
export function operationId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  // subtle: a lab that is served without HTTPS in a classroom has no `randomUUID`
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
