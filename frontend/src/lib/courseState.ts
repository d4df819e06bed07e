/** When a course is open, what it tells, and local clocks. Knows neither page nor server. */
import type { CourseState, FeedbackPolicy } from "../api/course";

/** Minutes of a grading interval, at most: a week. */
const LONGEST_INTERVAL = 10_080;

export const STATES: Readonly<Record<CourseState, { readonly name: string; readonly title: string; readonly note: string }>> = {
  draft: { name: "Draft", title: "The course is a draft", note: "Students may accept invitations; they see no question yet. Once somebody has answered, a course is closed instead." },
  open: { name: "Open", title: "The course is open", note: "Students see the questions; every acknowledged choice is saved, and the latest counts." },
  closed: { name: "Closed", title: "The course is closed", note: "Students see questions and their own answers; nothing can be changed." },
};

export const FEEDBACK: Readonly<Record<FeedbackPolicy, { readonly name: string; readonly note: string }>> = {
  none: { name: "None", note: "Students never see points here." },
  after_close: { name: "After it is closed", note: "Nothing while it is open; afterwards everybody sees their points by question. The default: no answer can be tried out." },
  total: { name: "The total, at any time", note: "As changes are unlimited, somebody patient can find the key by watching the total move: about 120 looks for thirty questions." },
  question: { name: "Points by question, at any time", note: "For practice: with unlimited changes every question of five options can be solved by trying, in at most 31 looks." },
};

/** Whether the policy lets students look at points while they can still change their answers. */
export const live = (feedback: FeedbackPolicy): boolean => feedback === "total" || feedback === "question";

/** Why that many minutes will not do; "" if they will. */
export const wrongInterval = (typed: string): string =>
  /^\d{1,5}$/.test(typed.trim()) && Number(typed) >= 1 && Number(typed) <= LONGEST_INTERVAL ? "" : `Minutes are a whole number from 1 to ${LONGEST_INTERVAL}.`;

/** What the confirmation says will happen. */
export function consequence(from: CourseState, to: CourseState, closes: string | null, students: number, now: Date): string {
  const whom = `${students} ${students === 1 ? "student" : "students"}`;
  const until = closes === null ? "until you close it" : `until ${spoken(closes)}`;
  if (to === "draft") return from === "draft" ? "It stays a draft." : `The questions disappear for ${whom}. This is refused once somebody has answered.`;
  if (to === "closed") return from === "closed" ? "It stays closed." : `From this moment none of ${whom} can change an answer; the latest of each counts.`;
  if (closes !== null && Date.parse(closes) <= now.getTime()) return `The closing time ${spoken(closes)} has passed, so it would be closed at once.`;
  return `${whom[0]?.toUpperCase()}${whom.slice(1)} can answer ${until}${from === "closed" ? ", and answers given before may change again" : ""}.`;
}

const TWO = (value: number): string => String(value).padStart(2, "0");

/** A UTC time as the value of a `datetime-local` field on this clock; "" for none. */
export function toField(iso: string | null): string {
  if (iso === null) return "";
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  return `${at.getFullYear()}-${TWO(at.getMonth() + 1)}-${TWO(at.getDate())}T${TWO(at.getHours())}:${TWO(at.getMinutes())}`;
}

/** The UTC time that a `datetime-local` field means on this clock; null for an empty field, undefined for no time at all. */
export function fromField(value: string): string | null | undefined {
  if (value === "") return null;
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace(/\.\d+Z$/, "Z");
}

/** `28 Nov 2026, 02:26` on this clock. */
export function spoken(iso: string | null): string {
  if (iso === null) return "never";
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : at.toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

/** `GMT+8`: what this clock is called. */
export const zone = (): string =>
  new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(new Date()).find(({ type }) => type === "timeZoneName")?.value ?? "local time";
