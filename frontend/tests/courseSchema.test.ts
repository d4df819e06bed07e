/** The course's types are the server's: a drift does not compile, so `npm run check` is the test. */
import { expect, it } from "vitest";
import type { Answers, Course, HistoryEntry, Me, Questions, SaveBody, SavedAnswer } from "../src/api/course";
import type { components } from "../src/api/schema";

type Schemas = components["schemas"];
type Fixed<T> = T extends object ? { readonly [K in keyof T]: Fixed<T[K]> } : T;

interface Said {
  course: Course;
  me: Me;
  questions: Questions;
  answers: Answers;
  saved: SavedAnswer;
  history: { saves: readonly HistoryEntry[] };
  body: Fixed<Schemas["SaveBody"]>;
}
/** Each of these is what the page takes it for; the last is what the server takes. */
const taken = (
  course: Schemas["CourseAnswer"], me: Schemas["Me"], questions: Schemas["ShownQuestions"], answers: Schemas["AnswersAnswer"],
  saved: Schemas["SavedAnswer"], history: Schemas["HistoryAnswer"], body: SaveBody,
): Said => ({ course, me, questions, answers, saved, history, body });

it("the page takes the course's answers for what they are", () => expect(taken).toHaveLength(7));
