/** The audit log as sentences to read and to search. Knows neither page nor server. */
import type { AuditRow, ReceiptCheck } from "../api/courseStaff";
import { csv } from "./csv";

/** `question: lime-inside; vote: agree`: what an act was about, without what is empty. */
export function aboutInWords(about: AuditRow["about"]): string {
  return Object.entries(about)
    .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${plain(value)}`)
    .join("; ");
}

const plain = (value: unknown): string =>
  Array.isArray(value) ? value.map(plain).join(", ") : value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);

export function searchedRows(rows: readonly AuditRow[], typed: string): AuditRow[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ at, by, act, about }) => {
    const text = `${at} ${by} ${act} ${aboutInWords(about)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export const auditCsv = (rows: readonly AuditRow[]): string =>
  csv(["at", "by", "act", "about"], rows.map(({ at, by, act, about }) => [at, by, act, aboutInWords(about)]));

/** What a receipt proves. */
export function receiptInWords({ valid, name, login, member, question, selected, sequence }: ReceiptCheck, when: string): string {
  if (!valid) return "No answer in this course has this receipt: it was altered, mistyped, or is of another course.";
  const who = name ? `${name} (${login ?? member})` : String(login ?? member);
  return `Genuine: ${who} saved ${selected?.length ? selected.join(", ") : "nothing chosen"} for ${question} on ${when}, as number ${sequence} of this course.`;
}
