/** What the student's pages are made of: pure functions of the course, its questions and what was saved. */
import type { Course, Feedback, HistoryEntry, Me, Question, Text } from "../api/course";
import { Refused } from "../api/lab";
import { words } from "../api/live";
import type { Texts } from "./courseTexts";
import type { Entry, Phase } from "./saves";

/** The text in this language or, where there is none, in the one that comes nearest. */
export const inLanguage = (text: Text | undefined, language: string): string => text?.[language] ?? text?.en ?? Object.values(text ?? {})[0] ?? "";

/** An error as a sentence in the language of the page, where there is one for it; `door` is for those at logging in. */
export function failure(error: unknown, texts: Texts, door = false): string {
  if (error instanceof TypeError) return texts.unreachable;
  if (door && error instanceof Refused) {
    if (error.status === 401) return texts.door.wrong;
    if (error.status === 404) return texts.door.noInvitation;
    if (error.status === 429) return texts.door.tooOften(Math.ceil((error.retryAfter ?? 60) / 60));
  }
  return words(error);
}

/** The first of these wishes that the course knows; `zh-Hant` and `zh` mean `zh-TW`, as `en-GB` means `en`. */
export function languageOf(known: readonly string[], wishes: readonly string[]): string {
  for (const wish of wishes) {
    if (known.includes(wish)) return wish;
    const general = wish.split("-")[0]?.toLowerCase();
    const near = known.find((one) => one.split("-")[0]?.toLowerCase() === general);
    if (near) return near;
  }
  return known[0] ?? "en";
}

/** `14:03:07` on this clock; with the day where it is not today. */
export function clock(at: string, language: string, today = new Date()): string {
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return at;
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(moment);
  return moment.toDateString() === today.toDateString() ? time : `${new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(moment)} ${time}`;
}

/** A day and a time with the name of its zone, for something that is agreed upon. */
export function appointment(at: string, language: string): string {
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return at;
  return new Intl.DateTimeFormat(language, { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" }).format(moment);
}

/** Integer tenths as people read them: "6.6". */
export const pointsOf = (tenths: number): string => (tenths / 10).toFixed(1);

/** The questions in their order, cut where the group changes. */
export function grouped(questions: readonly Question[]): readonly { readonly group: string; readonly questions: readonly Question[] }[] {
  const found: { group: string; questions: Question[] }[] = [];
  for (const question of questions) {
    const last = found.at(-1);
    if (last?.group === question.group) last.questions.push(question);
    else found.push({ group: question.group, questions: [question] });
  }
  return found;
}

export const chosenQuestion = (questions: readonly Question[], id: string): Question | null => questions.find((one) => one.id === id) ?? questions[0] ?? null;

/** The one so many places further; null past either end. */
export const neighbour = (questions: readonly Question[], of: Question, step: number): Question | null => questions[questions.indexOf(of) + step] ?? null;

/** The selection with this option in it, or without it. */
export const toggled = (selected: readonly string[], option: string): readonly string[] =>
  selected.includes(option) ? selected.filter((one) => one !== option) : [...selected, option];

/** Which option a key stands for; null for none. */
export function optionOfKey(code: string, question: Question): string | null {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1];
  return digit === undefined ? null : (question.options[Number(digit) - 1]?.id ?? null);
}

/** The options by their texts, in the question's order. */
export function spelt(question: Question, selected: readonly string[], language: string, texts: Texts): string {
  const chosen = question.options.filter(({ id }) => selected.includes(id)).map(({ text }) => inLanguage(text, language));
  const gone = selected.filter((id) => !question.options.some((option) => option.id === id));
  return [...chosen, ...gone].join("; ") || texts.nothing;
}

/** What is said where there are no points to see. */
export function whenPoints(course: Course, language: string, texts: Texts): string {
  if (course.feedback === "none") return texts.score.none;
  if (course.state === "closed") return texts.score.closedSoon;
  if (course.feedback === "after_close") return texts.score.afterClose(course.closes_at && appointment(course.closes_at, language));
  return texts.score.soon(course.interval);
}

export const totalOf = (feedback: Feedback, language: string, texts: Texts): string =>
  texts.score.total(pointsOf(feedback.total_tenths), pointsOf(feedback.of_tenths), clock(feedback.as_of, language));

export type Mark = Phase | "right" | "wrong";
/** A sign for each, none of which is told by its colour alone. */
export const MARKS: Readonly<Record<Mark, string>> = { unanswered: "○", saved: "●", saving: "↑", waiting: "…", refused: "!", aside: "?", late: "!", right: "✓", wrong: "✗" };

/** What became of a question's answer: what its points say, where they are of the answer that is saved, or how far it came. */
export function markOf(entry: Entry | undefined, feedback: Feedback | null, question: string): Mark {
  const phase = entry?.phase ?? "unanswered";
  const earned = feedback?.questions?.[question];
  // subtle: the points of an open course are of a while ago, and answers from that moment on are not in them
  if (phase !== "saved" || !earned || Date.parse(entry?.saved?.at ?? "") >= Date.parse(feedback?.as_of ?? "")) return phase;
  return earned.tenths === earned.of ? "right" : "wrong";
}

/** The saves that count: the latest of each question. */
export function counting(history: readonly HistoryEntry[]): ReadonlySet<number> {
  const latest = new Map<string, number>();
  for (const { question, sequence } of history) latest.set(question, Math.max(sequence, latest.get(question) ?? 0));
  return new Set(latest.values());
}

/** The receipts as a text file, oldest first. */
export function receiptsText(course: Course, me: Me, questions: readonly Question[], history: readonly HistoryEntry[], language: string, texts: Texts, now: Date): string {
  const line = ({ question, selected, at, receipt }: HistoryEntry): string => {
    const found = questions.find(({ id }) => id === question);
    const what = found ? spelt(found, selected, language, texts) : selected.join("; ") || texts.nothing;
    return [at, `${found ? texts.question(found.number) : ""} (${question})`.trim(), what.replace(/\s+/g, " "), receipt].join("\t");
  };
  const sorted = [...history].sort((one, other) => one.sequence - other.sequence);
  return [inLanguage(course.title, language), texts.receipts.head(me.name, me.login, now.toISOString()), texts.receipts.lines, "", ...sorted.map(line), ""].join("\n");
}
