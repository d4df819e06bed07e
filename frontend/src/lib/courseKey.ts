/** A key document as its reviewer reads it: verdicts, votes, what stands in the way, what changed. Knows neither page nor server. */
import type { CandidateEvidence, Entry, KeyDocument, KeyValue, QuestionEvidence, Verdict } from "../api/courseStaff";

export const VERDICTS: Readonly<Record<Verdict, { readonly mark: string; readonly look: "good" | "doubt" | "bad"; readonly words: string }>> = {
  SAFE: { mark: "✓", look: "good", words: "no run crosses the threshold, the margin is at least 4 standard deviations and at least what an eye can tell" },
  AMBIGUOUS: { mark: "?", look: "doubt", words: "some run crosses the threshold, or the margin is too small for its spread or for an eye" },
  INVALID: { mark: "✗", look: "bad", words: "it could not be computed" },
};

/** Whether the option may be shown: it is safe, or decides nothing, or somebody signed for it, before the key was frozen or since. */
export const settled = ({ key, review }: Pick<KeyDocument, "key" | "review">, question: string, one: CandidateEvidence): boolean =>
  one.verdict === "SAFE" || one.override !== null || key.full.includes(question) || (key.disregarded[question] ?? []).includes(one.id)
  || votesOn({ review }, question, one.id).override > 0;

export interface GroupCount {
  readonly group: string;
  readonly candidates: number;
  readonly shown: number;
  readonly SAFE: number;
  readonly AMBIGUOUS: number;
  readonly INVALID: number;
  readonly overridden: number;
}

/** Candidates by group in the assignment's order, and all of them last. */
export function counts(document: KeyDocument): { groups: GroupCount[]; all: GroupCount } {
  const groupOf = new Map(document.assignment.questions.map(({ id, group }) => [id, group]));
  const found = new Map<string, CandidateEvidence[]>();
  for (const { group } of document.assignment.questions) found.set(group, []);
  for (const { id, options } of document.evidence.questions) {
    const group = groupOf.get(id) ?? "";
    found.set(group, [...(found.get(group) ?? []), ...options]);
  }
  const groups = [...found].map(([group, options]) => counted(group, options));
  return { groups, all: counted("", [...found.values()].flat()) };
}

function counted(group: string, options: readonly CandidateEvidence[]): GroupCount {
  const of = (verdict: Verdict): number => options.filter((one) => one.verdict === verdict).length;
  return {
    group, candidates: options.length, shown: options.filter(({ shown }) => shown).length,
    SAFE: of("SAFE"), AMBIGUOUS: of("AMBIGUOUS"), INVALID: of("INVALID"),
    overridden: options.filter(({ override }) => override !== null).length,
  };
}

/** The points of all questions in integer tenths. */
export const tenthsOf = (document: KeyDocument): number => document.assignment.questions.reduce((sum, { tenths }) => sum + tenths, 0);

/** `0.3`, `10.0`: points as people write them, from integer tenths (a mean of tenths gets two digits). */
export function points(tenths: number): string {
  return (tenths / 10).toFixed(Number.isInteger(tenths) ? 1 : 2);
}

/** What a reviewer has to look at before this key may be used, in words. */
export function obstacles(document: KeyDocument): string[] {
  return document.evidence.questions.flatMap(({ id, options }) => {
    const shown = options.filter((one) => one.shown);
    const found = shown.filter((one) => !settled(document, id, one)).map((one) => `${id}: option ${one.id} is shown and ${one.verdict}, and nobody overrode it with a reason.`);
    for (const { votes, what } of [null, ...shown.map((one) => one.id)].map((option) => ({ votes: votesOn(document, id, option), what: option === null ? "the question" : `option ${option}` })))
      if (votes.disagree) found.push(`${id}: ${votes.disagree === 1 ? "somebody disagrees" : `${votes.disagree} disagree`} on ${what}.`);
    if (shown.length && shown.every(({ correct }) => correct)) found.push(`${id}: every option that is shown is right.`);
    if (shown.length && !shown.some(({ correct }) => correct)) found.push(`${id}: no option that is shown is right.`);
    return found;
  });
}

/**
 * How likely it is that one more run of each shown option contradicts the key somewhere: margins taken as normal with the mean
 * and the standard deviation of the runs, options as independent. null where no shown option was measured.
 */
export function contradiction(questions: readonly QuestionEvidence[]): number | null {
  const shown = questions.flatMap(({ options }) => options.filter((one) => one.shown && typeof one.margin === "number" && typeof one.sd === "number"));
  if (shown.length === 0) return null;
  const allHold = shown.reduce((product, { margin, sd }) => product * (1 - flips(margin as number, sd as number)), 1);
  return 1 - allHold;
}

/** The share of a normal distribution that lies on the other side of zero than its mean. */
function flips(mean: number, sd: number): number {
  if (mean === 0) return 0.5;
  if (sd === 0) return 0;
  return tail(Math.abs(mean) / sd);
}

/** The upper tail of the standard normal distribution for z >= 0, to 7.5e-8 (Abramowitz and Stegun 26.2.17). */
export function tail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

export interface Votes {
  readonly agree: number;
  readonly disagree: number;
  readonly override: number;
  readonly entries: readonly Entry[];
}

/**
 * What was said about an option (null: about the whole question), oldest first. A person's last word is the one that counts, and
 * an override settles the votes before it.
 */
export function votesOn(document: Pick<KeyDocument, "review">, question: string, option: string | null): Votes {
  const entries = document.review.filter((one) => one.question === question && one.option === option);
  const last = new Map<string, Entry>();
  for (const one of entries) {
    if (one.vote === "override") last.clear();
    last.set(one.by, one);
  }
  const of = (vote: Entry["vote"]): number => [...last.values()].filter((one) => one.vote === vote).length;
  return { agree: of("agree"), disagree: of("disagree"), override: of("override"), entries };
}

/** `2 agree, 1 disagrees`, or `no votes`. */
export function votesInWords({ agree, disagree, override }: Votes): string {
  const said = [
    agree ? `${agree} ${agree === 1 ? "agrees" : "agree"}` : "",
    disagree ? `${disagree} ${disagree === 1 ? "disagrees" : "disagree"}` : "",
    override ? `${override} ${override === 1 ? "overrides" : "override"}` : "",
  ].filter(Boolean);
  return said.join(", ") || "no votes";
}

/** `a + c`, or several joined by `or`: the selections that earn the points. */
export function acceptedInWords(key: Pick<KeyValue, "accepted" | "disregarded" | "full">, question: string): string {
  if (key.full.includes(question)) return "everybody who answered gets the points";
  const ignored = key.disregarded[question] ?? [];
  const accepted = (key.accepted[question] ?? []).map((one) => one.join(" + ")).join(", or ");
  return ignored.length ? `${accepted}; ${ignored.join(", ")} may be chosen or not` : accepted;
}

/** The questions that two versions of a key judge differently, in words. */
export function changed(before: KeyValue, after: KeyValue): { question: string; before: string; after: string }[] {
  return Object.keys(after.accepted).flatMap((question) => {
    const [was, is] = [acceptedInWords(before, question), acceptedInWords(after, question)];
    return was === is ? [] : [{ question, before: was, after: is }];
  });
}
