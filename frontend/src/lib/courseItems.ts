/** How the questions did, as rows to read and words to flag them with. Knows neither page nor server. */
import type { Interval, ItemAnalysis, QuestionAnalysis } from "../api/courseStaff";
import { csv } from "./csv";
import { percent } from "./numbers";

/** `0.62 (0.48 to 0.74)`; the interval is left out where there is none. */
export function between(value: number | null, interval: Interval | null): string {
  if (value === null) return "none";
  return interval === null ? value.toFixed(2) : `${value.toFixed(2)} (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})`;
}

/** A share in percent; thirds have parts of students in them, so what is all but one is one. */
export const share = (of: number | null): string => (of === null ? "none" : percent(Number(of.toFixed(9))));

export interface Flag {
  readonly look: "bad" | "doubt";
  readonly words: string;
}

/** What deserves a second look at this question. Below 30 students only what needs no correlation. */
export function flags(question: QuestionAnalysis, { few }: Pick<ItemAnalysis, "few">): Flag[] {
  const against = question.options.filter(({ disagrees }) => disagrees);
  const found: Flag[] = against.map(({ id, correct, by_third }) => ({
    look: "bad",
    words: `top third disagrees with the key on ${id}: ${share(by_third[2])} of its answers contain it, and the key says ${correct ? "right" : "wrong"}`,
  }));
  if (!few && question.item_rest !== null && question.item_rest < 0) found.push({ look: "bad", words: "students who do well elsewhere do worse here" });
  if (!few && question.item_rest_interval && question.item_rest !== null && question.item_rest >= 0 && question.item_rest_interval[0] <= 0)
    found.push({ look: "doubt", words: "may not tell good from weak students apart" });
  if (question.answered === 0) found.push({ look: "doubt", words: "nobody has answered it" });
  else if (question.item_rest === null) found.push({ look: "doubt", words: question.difficulty === 1 ? "everybody is right" : question.difficulty === 0 ? "nobody is right" : "nothing to correlate with" });
  return found;
}

/** What can be said of all questions together. */
export function summary({ n, few, mean, sd, kr20, alpha, alpha_interval }: ItemAnalysis, ofTenths: number): { name: string; text: string; note: string }[] {
  return [
    { name: "Students", text: String(n), note: few ? "too few (n < 30): read nothing into correlations" : "with at least one answer" },
    { name: "Mean", text: `${(mean / 10).toFixed(2)} of ${(ofTenths / 10).toFixed(1)}`, note: `standard deviation ${(sd / 10).toFixed(2)}` },
    { name: "KR-20", text: kr20 === null ? "none" : kr20.toFixed(2), note: kr20 === null ? "nobody differs" : "of right and wrong, every question alike" },
    { name: "Alpha", text: between(alpha, alpha_interval), note: alpha_interval === null ? "of the points" : "of the points, with its 95 % interval" },
  ];
}

export const ORDERS = { number: "as asked", hardest: "hardest first", weakest: "least discriminating first", flagged: "flagged first" } as const;
export type Order = keyof typeof ORDERS;

export function sortedQuestions(analysis: ItemAnalysis, order: Order): QuestionAnalysis[] {
  const rows = [...analysis.questions];
  if (order === "hardest") rows.sort((a, b) => a.difficulty - b.difficulty);
  if (order === "weakest") rows.sort((a, b) => (a.item_rest ?? 2) - (b.item_rest ?? 2));
  if (order === "flagged") rows.sort((a, b) => weight(b, analysis) - weight(a, analysis));
  return rows;
}

const weight = (question: QuestionAnalysis, analysis: ItemAnalysis): number => flags(question, analysis).reduce((sum, { look }) => sum + (look === "bad" ? 100 : 1), 0);

export function itemsCsv(analysis: ItemAnalysis): string {
  const header = ["question", "answered", "difficulty", "difficulty_low", "difficulty_high", "first_difficulty", "item_rest", "item_rest_low", "item_rest_high", "upper_27", "lower_27", "discrimination", "alpha_if_deleted", "option", "correct", "chosen", "chosen_lower", "chosen_middle", "chosen_upper", "top_third_disagrees"];
  return csv(header, (function* () {
    for (const q of analysis.questions) {
      const all = [q.id, q.answered, q.difficulty, ...q.difficulty_interval, q.first_difficulty, q.item_rest, q.item_rest_interval?.[0] ?? null, q.item_rest_interval?.[1] ?? null, q.upper, q.lower, q.discrimination, q.alpha_if_deleted];
      for (const one of q.options) yield [...all, one.id, one.correct === null ? "either" : one.correct ? "yes" : "no", one.chosen, ...one.by_third, one.disagrees ? "yes" : "no"];
    }
  })());
}
