import { describe, expect, it } from "vitest";
import type { Course, HistoryEntry, Question } from "../src/api/course";
import { Refused } from "../src/api/lab";
import { textsIn } from "../src/lib/courseTexts";
import { en } from "../src/lib/courseTexts/en";
import { zhTW } from "../src/lib/courseTexts/zhTW";
import type { Entry, Phase } from "../src/lib/saves";
import { chosenQuestion, clock, counting, failure, grouped, inLanguage, languageOf, markOf, MARKS, neighbour, optionOfKey, pointsOf, receiptsText, spelt, toggled, whenPoints } from "../src/lib/student";

const option = (id: string) => ({ id, text: { en: `Option ${id}`, "zh-TW": `選項 ${id}` } });
const question = (id: string, number: number, group: string): Question => ({
  id, number, group, tenths: 3, points: "0.3", prompt: { en: id }, hint: {}, lab: "", options: ["b", "a", "c"].map(option),
});
const QUESTIONS = [question("one", 1, "lime"), question("two", 2, "lime"), question("three", 3, "ig")];
const COURSE: Course = {
  id: "xai30", title: { en: "Explanations", "zh-TW": "解釋" }, languages: ["en", "zh-TW"], groups: {}, state: "open", closes_at: null, feedback: "after_close", interval: 10,
  now: "2026-11-02T12:00:00Z", total_tenths: 100, me: null,
};
const FIRST = QUESTIONS[0] as Question;

it("every text is there in both languages, and none was left in English", () => {
  const paths = (of: object, at = ""): [string, unknown][] => Object.entries(of).flatMap(([key, value]): [string, unknown][] => (typeof value === "object" ? paths(value as object, `${at}${key}.`) : [[at + key, value]]));
  const english = Object.fromEntries(paths(en));
  for (const [path, text] of paths(zhTW)) {
    expect(typeof text, path).toBe(typeof english[path]);
    const said = typeof text === "function" ? String((text as (...given: unknown[]) => string)(1, 2)) : String(text);
    expect(said, path).toMatch(/\p{Script=Han}/u);
  }
});

describe("a language", () => {
  it.each([
    [["zh-TW"], "zh-TW"],
    [["zh-Hant-HK", "en"], "zh-TW"],
    [["en-GB"], "en"],
    [["fr", "zh"], "zh-TW"],
    [["fr"], "en"],
    [[], "en"],
  ])("for %j is %s", (wishes, found) => expect(languageOf(["en", "zh-TW"], wishes)).toBe(found));
  it("that a text lacks is made up for", () => {
    expect(inLanguage({ en: "yes" }, "zh-TW")).toBe("yes");
    expect(inLanguage({ de: "ja" }, "zh-TW")).toBe("ja");
    expect(inLanguage(undefined, "en")).toBe("");
    expect(textsIn("de")).toBe(en);
  });
});

describe("a selection", () => {
  it("gains and loses an option", () => {
    expect(toggled(["a"], "b")).toEqual(["a", "b"]);
    expect(toggled(["a", "b"], "a")).toEqual(["b"]);
  });
  it("is told by the key of an option as it is served", () => {
    const key = (code: string) => optionOfKey(code, FIRST);
    expect([key("Digit1"), key("Numpad3"), key("Digit4"), key("Digit0"), key("KeyN")]).toEqual(["b", "c", null, null, null]);
  });
  it("is spelt in the order of the question, with what is there no more", () => {
    expect(spelt(FIRST, ["c", "b", "gone"], "en", en)).toBe("Option b; Option c; gone");
    expect(spelt(FIRST, [], "zh-TW", zhTW)).toBe("未選任何選項");
  });
});

describe("the questions", () => {
  it("are cut where the group changes", () => expect(grouped(QUESTIONS).map((one) => [one.group, one.questions.length])).toEqual([["lime", 2], ["ig", 1]]));
  it("have a first and a last", () => {
    expect(chosenQuestion(QUESTIONS, "gone")?.id).toBe("one");
    expect(neighbour(QUESTIONS, FIRST, -1)).toBeNull();
    expect(neighbour(QUESTIONS, FIRST, 1)?.id).toBe("two");
    expect(chosenQuestion([], "one")).toBeNull();
  });
});

it("a time is today's, or names its day", () => {
  const at = new Date(2026, 10, 2, 14, 3, 7);
  expect(clock(at.toISOString(), "en", at)).toBe("14:03:07");
  expect(clock(at.toISOString(), "zh-TW", at)).toBe("14:03:07");
  expect(clock(at.toISOString(), "en", new Date(2026, 10, 3))).toBe("Nov 2, 2026 14:03:07");
  expect(clock("soon", "en")).toBe("soon");
});

it("what went wrong is said in the language of the page, at the door and after it", () => {
  expect(failure(new TypeError("fetch failed"), zhTW)).toBe(zhTW.unreachable);
  expect(failure(new Refused(401, "no"), zhTW, true)).toBe(zhTW.door.wrong);
  expect(failure(new Refused(429, "no", 61), en, true)).toBe("Too many attempts. Try again in 2 minutes.");
  expect(failure(new Refused(404, "no"), en, true)).toBe(en.door.noInvitation);
  expect(failure(new Refused(422, "a password has at least 8 characters"), en, true)).toBe("a password has at least 8 characters");
  expect(failure(new Refused(401, "log in first"), en)).toBe("log in first");
});

it("points have one digit, and where there are none it is said when they come", () => {
  expect([pointsOf(66), pointsOf(100), pointsOf(3)]).toEqual(["6.6", "10.0", "0.3"]);
  expect(whenPoints(COURSE, "en", en)).toBe("Points are shown when the course is closed.");
  expect(whenPoints({ ...COURSE, closes_at: "2026-12-01T12:00:00Z" }, "en", en)).toMatch(/after Tue, Dec 1, 2026/);
  expect(whenPoints({ ...COURSE, feedback: "none" }, "en", en)).toBe(en.score.none);
  expect(whenPoints({ ...COURSE, feedback: "total" }, "en", en)).toMatch(/every 10 minutes/);
});

it("a question is right or wrong by the points of the answer that is saved, and by no older ones", () => {
  const saved = (at: string, phase: Phase = "saved"): Entry => ({ selected: ["a"], saved: { selected: ["a"], sequence: 1, at, receipt: "1-00ff" }, phase, message: "", told: null });
  const feedback = { total_tenths: 3, of_tenths: 9, as_of: "2026-11-02T12:00:00Z", questions: { one: { tenths: 3, of: 3 }, two: { tenths: 0, of: 3 } } };
  const before = saved("2026-11-02T11:59:59.9Z");
  expect([markOf(before, feedback, "one"), markOf(before, feedback, "two"), markOf(before, feedback, "three")]).toEqual(["right", "wrong", "saved"]);
  expect([markOf(before, null, "one"), markOf(before, { ...feedback, questions: null }, "one")]).toEqual(["saved", "saved"]);
  expect(markOf(saved("2026-11-02T12:00:00Z"), feedback, "two")).toBe("saved");
  expect([markOf(saved("2026-11-02T11:00:00Z", "late"), feedback, "one"), markOf(undefined, feedback, "two")]).toEqual(["late", "unanswered"]);
  expect(new Set([MARKS.right, MARKS.wrong, MARKS.saved, MARKS.unanswered]).size).toBe(4);
});

it("the receipts are a text file, oldest first, and the latest of a question counts", () => {
  const save = (sequence: number, of: string, selected: string[]): HistoryEntry => ({ question: of, selected, sequence, at: `2026-11-02T12:00:0${sequence}Z`, receipt: `${sequence}-00ff` });
  const history = [save(3, "one", ["c"]), save(1, "one", ["b"]), save(2, "gone", [])];
  expect(counting(history)).toEqual(new Set([3, 2]));
  const me = { id: 1, login: "ada", name: "Ada L.", role: "student" as const };
  expect(receiptsText(COURSE, me, QUESTIONS, history, "en", en, new Date(0)).split("\n")).toEqual([
    "Explanations",
    "Receipts of Ada L. (ada), 1970-01-01T00:00:00.000Z",
    "Time (UTC), question, what was chosen, receipt. The latest line of a question counts.",
    "",
    "2026-11-02T12:00:01Z\tQuestion 1 (one)\tOption b\t1-00ff",
    "2026-11-02T12:00:02Z\t(gone)\tnothing\t2-00ff",
    "2026-11-02T12:00:03Z\tQuestion 1 (one)\tOption c\t3-00ff",
    "",
  ]);
});
