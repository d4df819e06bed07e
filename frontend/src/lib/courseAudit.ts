/** The audit log as sentences to read and to search. Knows neither page nor server. */
import type { AssignmentQuestion, AuditRow, ReceiptCheck } from "../api/courseStaff";
import { csv } from "./csv";
import { inLanguage } from "./student";

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

/** What a receipt proves; `questions` are those of the assignment, so that options are told in their words. */
export function receiptInWords({ valid, name, login, member, question, selected, sequence }: ReceiptCheck, when: string, questions: readonly AssignmentQuestion[], language: string): string {
  if (!valid) return "No answer in this course has this receipt: it was altered, mistyped, or is of another course.";
  const who = name ? `${name} (${login ?? member})` : String(login ?? member);
  const at = questions.findIndex(({ id }) => id === question);
  const said = (id: string): string => inLanguage(questions[at]?.options.find((one) => one.id === id)?.text, language);
  const chosen = (selected ?? []).map((id) => (said(id) ? `“${said(id)}” (${id})` : id));
  return `Genuine: ${who} saved ${chosen.join(", ") || "nothing chosen"} for ${at < 0 ? question : `question ${at + 1} (${question})`} on ${when}, as number ${sequence} of this course.`;
}
