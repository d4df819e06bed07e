import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CandidateEvidence, ItemAnalysis, KeyDocument, KeyValue, MemberRow, QuestionAnalysis } from "../src/api/courseStaff";
import { aboutInWords, auditCsv, receiptInWords, searchedRows } from "../src/lib/courseAudit";
import { between, flags, itemsCsv, share, sortedQuestions, summary } from "../src/lib/courseItems";
import { acceptedInWords, changed, contradiction, counts, obstacles, points, tail, tenthsOf, votesInWords, votesOn } from "../src/lib/courseKey";
import { axisOf, described, domainOf, EDGE, strip } from "../src/lib/courseMargins";
import { decoded, invitationsCsv, ordered, searched } from "../src/lib/courseMembers";
import { changesOf, complaint, draftOf, flip, regradeInWords, same } from "../src/lib/courseRegrade";
import { consequence, fromField, spoken, toField, wrongInterval } from "../src/lib/courseState";
import { addressOf, placeOf, TABS, type Tab } from "../src/lib/courseTabs";

const seeds = (mean: number, sd: number) => Array.from({ length: 20 }, (_, n) => ({ axis: `seed ${n}`, margin: mean + (n % 2 ? sd : -sd) }));
const candidate = (id: string, part: Partial<CandidateEvidence> = {}): CandidateEvidence => ({
  id, text: { en: `Option ${id}` }, correct: true, verdict: "SAFE", margin: 0.3, sd: 0.02, floor: 0.08, unit: "share", value: 0.8, threshold: 0.5, when: "share(map, subject) >= 0.5",
  shown: true, runs: [...seeds(0.3, 0.02), { axis: "mask +2 px", margin: 0.31 }, { axis: "mask -2 px", margin: 0.29 }], override: null, why: {}, ...part,
});
const key: KeyValue = { assignment: "h", version: 1, accepted: { q1: [["a"]], q2: [["a", "c"], ["a"]] }, disregarded: { q2: ["d"] }, full: [], parent: null, reason: "", state: "frozen" };
const question = (id: string, group: string, tenths: number) => ({ id, group, tenths, prompt: { en: `What of ${id}?` }, lab: "", options: ["a", "b", "c", "d"].map((one) => ({ id: one, text: { en: one } })) });
const document: KeyDocument = {
  state: "frozen", hash: "k",
  assignment: { id: "xai", title: { en: "XAI" }, languages: ["en", "zh-TW"], groups: { lime: { en: "LIME" }, maps: { en: "Maps" } }, questions: [question("q1", "lime", 3), question("q2", "maps", 4)] },
  key,
  evidence: { questions: [
    { id: "q1", options: [candidate("a"), candidate("b", { correct: false, margin: -0.3 }), candidate("c", { verdict: "INVALID", shown: false, margin: null, sd: null, value: null, runs: [] })] },
    { id: "q2", options: [candidate("a"), candidate("c", { verdict: "AMBIGUOUS" }), candidate("d", { verdict: "AMBIGUOUS", override: { by: "ada", reason: "clear to see", at: "2026-11-01T00:00:00.000Z" } })] },
  ] },
  review: [
    { question: "q1", option: "a", by: "ada", at: "2026-11-01T00:00:00Z", vote: "disagree", reason: "too dark" },
    { question: "q1", option: "a", by: "ada", at: "2026-11-02T00:00:00Z", vote: "agree", reason: "" },
    { question: "q1", option: "a", by: "bob", at: "2026-11-02T00:00:00Z", vote: "disagree", reason: "no" },
    { question: "q1", option: null, by: "bob", at: "2026-11-02T00:00:00Z", vote: "agree", reason: "" },
  ],
};

describe("a key document", () => {
  it("is counted by group, shown or not", () => {
    const { groups, all } = counts(document);
    expect(groups.map(({ group, candidates, shown, SAFE, AMBIGUOUS, INVALID, overridden }) => [group, candidates, shown, SAFE, AMBIGUOUS, INVALID, overridden])).toEqual([
      ["lime", 3, 2, 2, 0, 1, 0], ["maps", 3, 3, 1, 2, 0, 1],
    ]);
    expect([all.candidates, all.SAFE, all.AMBIGUOUS, all.INVALID]).toEqual([6, 3, 2, 1]);
    expect(points(tenthsOf(document))).toBe("0.7");
  });
  it("says what stands in the way: what is shown, unsettled, and without an override; and questions that are all right or all wrong", () => {
    expect(obstacles(document)).toEqual([
      "q1: somebody disagrees on option a.",
      "q2: option c is shown and AMBIGUOUS, and nobody overrode it with a reason.",
      "q2: every option that is shown is right.",
    ]);
    const signed = { ...document, review: [...document.review, { question: "q2", option: "c", by: "ada", at: "2026-11-03T00:00:00Z", vote: "override" as const, reason: "by eye" }] };
    expect(obstacles({ ...document, key: { ...key, disregarded: { q2: ["c"] } } })).toEqual(["q1: somebody disagrees on option a.", "q2: every option that is shown is right."]);
    expect(obstacles(signed)).toEqual(["q1: somebody disagrees on option a.", "q2: every option that is shown is right."]);
  });
  it("may be contradicted as often as normal tails say", () => {
    expect(tail(0)).toBeCloseTo(0.5, 6);
    expect(tail(1.959963984540054)).toBeCloseTo(0.025, 6);
    expect(tail(4)).toBeCloseTo(3.167e-5, 7);
    const one = (margin: number, sd: number) => contradiction([{ id: "q", options: [candidate("a", { margin, sd })] }]);
    expect(one(0.1, 0.1)).toBeCloseTo(0.158655, 5);
    expect(one(-0.1, 0.1)).toBeCloseTo(0.158655, 5);
    expect(one(0.1, 0)).toBe(0);
    expect(one(0, 0)).toBe(0.5);
    const two = contradiction([{ id: "q", options: [candidate("a", { margin: 0.1, sd: 0.1 }), candidate("b", { margin: 0.1, sd: 0.1 }), candidate("c", { margin: 0, sd: 1, shown: false })] }]);
    expect(two).toBeCloseTo(1 - (1 - 0.158655) ** 2, 5);
    expect(contradiction([{ id: "q", options: [candidate("c", { margin: null, sd: null })] }])).toBeNull();
  });
  it("counts everybody's last vote once, and keeps every word", () => {
    const votes = votesOn(document, "q1", "a");
    expect([votes.agree, votes.disagree, votes.override, votes.entries.length]).toEqual([1, 1, 0, 3]);
    expect(votesInWords(votes)).toBe("1 agrees, 1 disagrees");
    expect(votesInWords(votesOn(document, "q1", null))).toBe("1 agrees");
    expect(votesInWords(votesOn(document, "q2", "a"))).toBe("no votes");
    const over = { question: "q1", option: "a", by: "eve", at: "2026-11-03T00:00:00Z", vote: "override" as const, reason: "looked again" };
    expect(votesInWords(votesOn({ ...document, review: [...document.review, over] }, "q1", "a"))).toBe("1 overrides");
  });
  it("says what earns the points, and what two versions see differently", () => {
    expect(acceptedInWords(key, "q1")).toBe("a");
    expect(acceptedInWords(key, "q2")).toBe("a + c, or a; d may be chosen or not");
    const after = { ...key, version: 2, accepted: { ...key.accepted, q1: [["a", "b"]] }, full: ["q2"] };
    expect(changed(key, after)).toEqual([
      { question: "q1", before: "a", after: "a + b" },
      { question: "q2", before: "a + c, or a; d may be chosen or not", after: "everybody who answered gets the points" },
    ]);
    expect(changed(key, { ...key, version: 2 })).toEqual([]);
  });
  it("writes tenths as people do", () => {
    expect([0, 3, 10, 100, 104, 61.5].map(points)).toEqual(["0.0", "0.3", "1.0", "10.0", "10.4", "6.15"]);
  });
});

describe("the strip plot", () => {
  it("has a row an axis, every run once, zero and the floor in place", () => {
    const one = candidate("a");
    const drawn = strip(one, domainOf([one]), 600);
    expect(drawn.rows.map(({ name }) => name)).toEqual(["seed", "mask"]);
    expect(drawn.marks).toHaveLength(22);
    expect(drawn.marks.every(({ crosses }) => !crosses)).toBe(true);
    expect(drawn.band.x + drawn.band.width / 2).toBeCloseTo(drawn.zero, 6);
    const scale = (drawn.mean as number) - drawn.zero;
    expect(drawn.band.width / 2 / scale).toBeCloseTo(0.08 / 0.3, 6);
    const wide = drawn.marks.find(({ run }) => run.axis === "mask +2 px");
    expect(((wide?.x ?? 0) - drawn.zero) / scale).toBeCloseTo(0.31 / 0.3, 6);
    expect(drawn.ticks.some(({ x, text }) => text === "0" && x === drawn.zero)).toBe(true);
  });
  it("shows what is on the other side of zero, also for an option that is false", () => {
    const one = candidate("b", { correct: false, margin: -0.02, sd: 0.03, runs: [{ axis: "seed 0", margin: -0.05 }, { axis: "seed 1", margin: 0.01 }, { axis: "device cuda", margin: -0.02 }] });
    expect(strip(one, domainOf([one]), 400).marks.filter(({ crosses }) => crosses).map(({ run }) => run.axis)).toEqual(["seed 1"]);
    expect(described(one)).toBe("Margins of 3 runs, from -0.0500 to 0.0100 share; mean -0.0200, standard deviation 0.0300; on the other side of zero: seed 1; 3 nearer to zero than the floor of 0.0800.");
  });
  it("says so where there is nothing to plot", () => {
    const one = candidate("c", { runs: [], margin: null, sd: null });
    expect(described(one)).toBe("No run: there is nothing to plot.");
    expect(strip(one, domainOf([one]), 400).marks).toEqual([]);
  });
  it("keeps every mark inside, on one scale for all options of a question", () => {
    fc.assert(fc.property(fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 40 }), fc.integer({ min: 280, max: 900 }), (margins, width) => {
      const one = candidate("a", { margin: margins[0] ?? 0, runs: margins.map((margin, n) => ({ axis: `seed ${n}`, margin })) });
      const other = candidate("b", { runs: [{ axis: "seed 0", margin: 5 }] });
      const drawn = strip(one, domainOf([one, other]), width);
      expect(drawn.marks).toHaveLength(margins.length);
      for (const { x, y } of drawn.marks) {
        expect(x).toBeGreaterThanOrEqual(drawn.left - 1e-6);
        expect(x).toBeLessThanOrEqual(width - EDGE.right + 1e-6);
        expect(y).toBeGreaterThan(EDGE.top);
        expect(y).toBeLessThan(drawn.height - EDGE.bottom);
      }
    }));
  });
  it("leaves out a run without a value, and says so", () => {
    const one = candidate("a", { runs: [{ axis: "base", margin: 0.3 }, { axis: "seed 1", margin: null }], margin: null, sd: null });
    expect(strip(one, domainOf([one]), 400).marks).toHaveLength(1);
    expect(described(one)).toBe("Margins of 1 run, from 0.300 to 0.300 share; none nearer to zero than the floor of 0.0800; no value in: seed 1.");
    expect(described(candidate("a", { runs: [{ axis: "base", margin: null }] }))).toBe("None of the 1 runs has a value.");
  });
  it("covers no mark by another where there is room", () => {
    const one = candidate("a", { runs: Array.from({ length: 20 }, (_, n) => ({ axis: `seed ${n}`, margin: 0.3 + 0.005 * (n % 4) })) });
    const { marks } = strip(one, domainOf([one]), 500);
    expect(new Set(marks.map(({ x, y }) => `${x} ${y}`)).size).toBe(20);
  });
  it("calls an axis by what its runs have in common", () =>
    expect(["base", "seed 3", "samples +25 %", "mask -2 px", "precision float64", "random words, half 1", "without full stops", "without sentence 2"].map(axisOf))
      .toEqual(["base", "seed", "samples", "mask", "precision float64", "random words, half", "without full stops", "without sentence"]));
});

describe("a regrade", () => {
  it("asks only for what differs from the key", () => {
    const draft = draftOf(key, "q2");
    expect(changesOf(key, { q2: draft })).toEqual({});
    expect(changesOf(key, { q2: { ...draft, accepted: [["a"], ["c", "a"]] } })).toEqual({}); // another order is no change
    expect(changesOf(key, { q1: { accepted: [["b", "a"]], disregard: [], full: false }, q2: draft })).toEqual({ q1: { accepted: [["a", "b"]], disregard: [], full: false } });
    expect(same(draft, { ...draft, full: true })).toBe(false);
    expect(flip(flip(["a"], "b"), "a")).toEqual(["b"]);
  });
  it("is not asked for where nobody could earn the points", () => {
    const ids = ["a", "b"];
    expect(complaint({ accepted: [["a"]], disregard: ["b"], full: false }, ids)).toBe("");
    expect(complaint({ accepted: [[]], disregard: [], full: false }, ids)).toMatch(/choosing nothing/);
    expect(complaint({ accepted: [], disregard: [], full: false }, ids)).toMatch(/at least one/);
    expect(complaint({ accepted: [], disregard: [], full: true }, ids)).toBe("");
    expect(complaint({ accepted: [["a"]], disregard: ["a", "b"], full: false }, ids)).toMatch(/nothing is left/);
    expect(complaint({ accepted: [["a"], ["a", "b"]], disregard: ["b"], full: false }, ids)).toMatch(/the same/);
  });
  it("is told in a sentence", () => {
    const moved = { member: 1, name: "Ada", before: 3, after: 7 };
    expect(regradeInWords({ rise: [moved], fall: [], unchanged: 2, mean_before: 61.96, mean_after: 63.1, version: null }, 100)).toBe("1 rises, 0 fall, 2 stay; the mean goes from 6.20 to 6.31 of 10.0 points.");
  });
});

const item = (id: string, part: Partial<QuestionAnalysis> = {}): QuestionAnalysis => ({
  id, answered: 40, difficulty: 0.6, difficulty_interval: [0.44, 0.74], first_difficulty: 0.5, item_rest: 0.4, item_rest_interval: [0.1, 0.63], upper: 0.9, lower: 0.3, discrimination: 0.6, alpha_if_deleted: 0.7,
  options: [{ id: "a", correct: true, chosen: 0.5, by_third: [0.2, 0.5, 0.8], top_interval: [0.5, 0.9], disagrees: false }], ...part,
});
const analysis: ItemAnalysis = {
  n: 40, few: false, mean: 61.2, sd: 15, kr20: 0.71, alpha: 0.72, alpha_interval: [0.6, 0.82], disagreements: [["q2", "b"]],
  questions: [
    item("q1"),
    item("q2", { difficulty: 0.1, item_rest: -0.2, item_rest_interval: [-0.48, 0.12], options: [{ id: "b", correct: false, chosen: 0.6, by_third: [0.3, 0.6, 0.9], top_interval: [0.6, 1], disagrees: true }] }),
    item("q3", { difficulty: 1, item_rest: null, item_rest_interval: null }),
  ],
};

describe("items", () => {
  it("are flagged, and with few students not for a correlation", () => {
    expect(analysis.questions.map((one) => flags(one, analysis).map(({ words }) => words))).toEqual([
      [],
      ["top third disagrees with the key on b: 90 % of its answers contain it, and the key says wrong", "students who do well elsewhere do worse here"],
      ["everybody is right"],
    ]);
    expect(flags(analysis.questions[1] as QuestionAnalysis, { few: true }).map(({ words }) => words)).toEqual(["top third disagrees with the key on b: 90 % of its answers contain it, and the key says wrong"]);
    expect(flags(item("q", { answered: 0, difficulty: 0, item_rest: null, item_rest_interval: null }), { few: true })).toEqual([{ look: "doubt", words: "nobody has answered it" }]);
  });
  it("are ordered without losing one", () => {
    expect(sortedQuestions(analysis, "hardest").map(({ id }) => id)).toEqual(["q2", "q1", "q3"]);
    expect(sortedQuestions(analysis, "weakest").map(({ id }) => id)).toEqual(["q2", "q1", "q3"]);
    expect(sortedQuestions(analysis, "flagged").map(({ id }) => id)).toEqual(["q2", "q3", "q1"]);
    expect(sortedQuestions(analysis, "number").map(({ id }) => id)).toEqual(["q1", "q2", "q3"]);
  });
  it("are summed up with what the numbers are worth", () => {
    expect(summary(analysis, 100).map(({ text }) => text)).toEqual(["40", "6.12 of 10.0", "0.71", "0.72 (0.60 to 0.82)"]);
    expect(summary({ ...analysis, n: 4, few: true, kr20: null, alpha: null, alpha_interval: null }, 100).map(({ note }) => note)[0]).toMatch(/^too few/);
    expect(summary({ ...analysis, n: 2, alpha_interval: null }, 100).map(({ note }) => note)[3]).toBe("of the points");
    expect(between(null, null)).toBe("none");
    expect([0.9999999999999, 1, 0.9995, 0.5].map(share)).toEqual(["100 %", "100 %", ">99.9 %", "50 %"]);
  });
  it("go into a table, a line an option", () => {
    const lines = itemsCsv(analysis).trim().split("\r\n");
    expect(lines).toHaveLength(4);
    expect(lines[2]).toBe("q2,40,0.1,0.44,0.74,0.5,-0.2,-0.48,0.12,0.9,0.3,0.6,0.7,b,no,0.6,0.3,0.6,0.9,yes");
  });
});

const member = (id: number, name: string, part: Partial<MemberRow> = {}): MemberRow => ({ id, login: name.toLowerCase(), name, student_id: `s${id}`, email: "", section: "A", role: "student", joined: null, answered: 0, last_at: null, ...part });

describe("the roster", () => {
  const members = [member(1, "José Núñez", { section: "B", answered: 2, last_at: "2026-11-02T00:00:00Z" }), member(2, "Ada"), member(3, "王小明", { answered: 4 })];
  it("is searched by every word, without accents and case", () => {
    expect(searched(members, "jose").map(({ id }) => id)).toEqual([1]);
    expect(searched(members, "NUNEZ b").map(({ id }) => id)).toEqual([1]);
    expect(searched(members, "王").map(({ id }) => id)).toEqual([3]);
    expect(searched(members, " ")).toHaveLength(3);
    expect(searched(members, "nobody")).toEqual([]);
  });
  it("is ordered, and who has no points comes last", () => {
    expect(ordered(members, "points", { 2: 5, 3: 9 }).map(({ id }) => id)).toEqual([3, 2, 1]);
    expect(ordered(members, "answered", {}).map(({ id }) => id)).toEqual([3, 1, 2]);
    expect(ordered(members, "last", {}).map(({ id }) => id)[0]).toBe(1);
    expect(ordered(members, "section", {}).map(({ id }) => id)[2]).toBe(1);
    expect(members.map(({ id }) => id)).toEqual([1, 2, 3]);
  });
  it("gives codes to a spreadsheet, which takes none for a formula", () =>
    expect(invitationsCsv([{ name: "=1+1", login: "ada, b", code: "AB-CD" }], "http://x/?view=course")).toBe('name,login,code,address\r\n\'=1+1,"ada, b",AB-CD,http://x/?view=course&invitation=AB-CD\r\n'));
  it("is read as UTF-8 or not at all", () => {
    expect(decoded(new TextEncoder().encode("name\n王"))).toBe("name\n王");
    expect(() => decoded(new Uint8Array([0xa4, 0xfd, 0x0a]))).toThrow(/CSV UTF-8/);
  });
});

describe("the state", () => {
  const now = new Date("2026-11-28T02:00:00Z");
  it("says what a change does", () => {
    expect(consequence("draft", "open", null, 2, now)).toBe("2 students can answer until you close it.");
    expect(consequence("closed", "open", "2026-12-01T00:00:00Z", 1, now)).toMatch(/^1 student can answer until 1 Dec 2026.*, and answers given before may change again\.$/);
    expect(consequence("open", "closed", null, 500, now)).toMatch(/none of 500 students can change/);
    expect(consequence("draft", "open", "2026-11-01T00:00:00Z", 2, now)).toMatch(/has passed/);
    expect(consequence("open", "draft", null, 2, now)).toMatch(/disappear.*refused/);
  });
  it("takes whole minutes that the server takes", () => expect(["1", "15", "10080", "0", "10081", "1.5", ""].map((one) => wrongInterval(one) === "")).toEqual([true, true, true, false, false, false, false]));
  it("keeps a time through the field and back, to the minute", () => {
    fc.assert(fc.property(fc.date({ min: new Date("2000-01-01"), max: new Date("2099-01-01"), noInvalidDate: true }), (at) => {
      at.setUTCSeconds(0, 0);
      const iso = at.toISOString().replace(/\.\d+Z$/, "Z");
      expect(fromField(toField(iso))).toBe(iso);
    }));
    expect(fromField("")).toBeNull();
    expect(fromField("soon")).toBeUndefined();
    expect(toField(null)).toBe("");
    expect(spoken(null)).toBe("never");
  });
});

describe("the address", () => {
  it("brings back tab, question and version", () => {
    fc.assert(fc.property(fc.constantFrom(...(Object.keys(TABS) as Tab[])), fc.string(), fc.option(fc.integer({ min: 1, max: 99 })), (tab, question, version) => {
      expect(placeOf(addressOf({ tab, question, version }))).toEqual({ tab, question, version });
    }));
    expect(placeOf("")).toEqual({ tab: "roster", question: "", version: null });
    expect(placeOf("nonsense/%/x")).toEqual({ tab: "roster", question: "%", version: null });
    expect(addressOf({ tab: "key", question: "", version: null })).toBe("key");
  });
});

describe("the audit log", () => {
  const rows = [{ at: "2026-11-28T02:00:00Z", by: "ada", act: "review", about: { question: "q1", option: null, vote: "agree", selected: ["a", "b"], counts: { added: 2 } } }];
  it("is read, searched and taken along", () => {
    expect(aboutInWords(rows[0]?.about ?? {})).toBe('question: q1; vote: agree; selected: a, b; counts: {"added":2}');
    expect(searchedRows(rows, "REVIEW q1")).toHaveLength(1);
    expect(searchedRows(rows, "roster")).toEqual([]);
    expect(auditCsv(rows)).toContain("2026-11-28T02:00:00Z,ada,review,");
  });
  it("says what a receipt proves", () => {
    expect(receiptInWords({ valid: false }, "", [], "en")).toMatch(/^No answer/);
    expect(receiptInWords({ valid: true, member: 3, login: "ada", name: "Ada", question: "q2", selected: ["a"], sequence: 12 }, "28 Nov", document.assignment.questions, "en")).toBe("Genuine: Ada (ada) saved “a” (a) for question 2 (q2) on 28 Nov, as number 12 of this course.");
    expect(receiptInWords({ valid: true, member: 3, login: "ada", question: "gone", selected: ["z"], sequence: 12 }, "28 Nov", document.assignment.questions, "en")).toBe("Genuine: ada saved z for gone on 28 Nov, as number 12 of this course.");
    expect(receiptInWords({ valid: true, member: 3, question: "q1", selected: [], sequence: 12 }, "28 Nov", [], "en")).toMatch(/saved nothing chosen/);
  });
});
