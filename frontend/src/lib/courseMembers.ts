/** The roster as a table, and invitation codes as a sheet to hand out. Knows neither page nor server. */
import type { Invitation, MemberRow } from "../api/courseStaff";
import { csv } from "./csv";

/** Members whose name, login, number, address or section holds every word that was typed, upper or lower case alike. */
export function searched(members: readonly MemberRow[], typed: string): MemberRow[] {
  const words = folded(typed).split(/\s+/).filter(Boolean);
  return members.filter((one) => {
    const text = folded([one.name, one.login, one.student_id, one.email, one.section, one.role].join(" "));
    return words.every((word) => text.includes(word));
  });
}

/** Without case and accents, so that `Jose` finds `José`. */
const folded = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export const ORDERS = ["name", "section", "answered", "points", "last"] as const;
export type Order = (typeof ORDERS)[number];

/** In a new array; what a member lacks (no points, never seen) comes last. Names in the order of the reader's language. */
export function ordered(members: readonly MemberRow[], order: Order, totals: Readonly<Record<number, number>>): MemberRow[] {
  const name = (a: MemberRow, b: MemberRow): number => a.name.localeCompare(b.name) || a.login.localeCompare(b.login);
  const most = (of: (one: MemberRow) => number | string | null | undefined) => (a: MemberRow, b: MemberRow): number => {
    const [x, y] = [of(a) ?? "", of(b) ?? ""];
    if (x === y) return name(a, b);
    if (x === "" || y === "") return x === "" ? 1 : -1;
    return x > y ? -1 : 1;
  };
  const by = {
    name,
    section: (a: MemberRow, b: MemberRow) => a.section.localeCompare(b.section) || name(a, b),
    answered: most((one) => one.answered),
    points: most((one) => totals[one.id]),
    last: most((one) => one.last_at),
  } as const;
  return [...members].sort(by[order]);
}

/** With the address that each opens, which brings the code along. */
export const invitationsCsv = (invitations: readonly Invitation[], address: string): string =>
  csv(["name", "login", "code", "address"], invitations.map(({ name, login, code }) => [name, login, code, `${address}&invitation=${encodeURIComponent(code)}`]));

/** What a file holds as text. Throws, in words, if it is no UTF-8: a spreadsheet saves other encodings unless told. */
export function decoded(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("The file is not UTF-8, so names would be garbled; save it as “CSV UTF-8” and choose it again.");
  }
}

/** The first lines of a roster. */
export const EXAMPLE = "name,email,student id,section\nAda Lovelace,ada@example.edu,1001,A\n";
