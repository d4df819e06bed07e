/** The course on a running server: the routes that only instructors may ask, and what comes back. */
import type { Course, CourseApi, CourseState, FeedbackPolicy, Role, Text } from "./course";

export interface MemberRow {
  readonly id: number;
  readonly login: string;
  readonly name: string;
  readonly student_id: string;
  readonly email: string;
  readonly section: string;
  readonly role: Role;
  /** When the invitation was accepted; null while it was not. */
  readonly joined: string | null;
  /** How many questions hold an answer. */
  readonly answered: number;
  readonly last_at: string | null;
}

export interface Invitation {
  readonly name: string;
  readonly login: string;
  readonly code: string;
}

/** With problems nothing was imported. */
export interface RosterReport {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly problems: readonly { readonly line: number; readonly message: string }[];
  readonly invitations: readonly Invitation[];
}

export type Verdict = "SAFE" | "AMBIGUOUS" | "INVALID";
export type Vote = "agree" | "disagree" | "override";

export interface Run {
  /** `seed 3`, `samples +25 %`: what was varied. */
  readonly axis: string;
  /** null where it has no value. */
  readonly margin: number | null;
}

/** One candidate option with all that speaks for and against its being right. Margins are above zero where it is true. */
export interface CandidateEvidence {
  readonly id: string;
  readonly text: Text;
  readonly correct: boolean;
  readonly verdict: Verdict;
  readonly margin: number | null;
  readonly sd: number | null;
  /** What an eye can tell. */
  readonly floor: number;
  readonly unit: string;
  readonly value: number | null;
  readonly threshold: number | null;
  /** The predicate. */
  readonly when: string;
  readonly shown: boolean;
  readonly runs: readonly Run[];
  readonly override: { readonly by: string; readonly reason: string; readonly at: string } | null;
  readonly why: Text;
  /** Why it is not SAFE, in words. */
  readonly reasons?: readonly string[];
}

export interface QuestionEvidence {
  readonly id: string;
  readonly options: readonly CandidateEvidence[];
  /** What is wrong with the options that were drawn, such as too few that are right. */
  readonly problems?: readonly string[];
}

export interface Entry {
  readonly question: string;
  readonly option: string | null;
  readonly by: string;
  readonly at: string;
  readonly vote: Vote;
  readonly reason: string;
}

export interface KeyValue {
  readonly assignment: string;
  readonly version: number;
  readonly accepted: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly disregarded: Readonly<Record<string, readonly string[]>>;
  readonly full: readonly string[];
  readonly parent: number | null;
  readonly reason: string;
  readonly state: string;
}

export interface AssignmentQuestion {
  readonly id: string;
  readonly group: string;
  readonly tenths: number;
  readonly prompt: Text;
  readonly hint?: Text;
  readonly lab: string;
  readonly options: readonly { readonly id: string; readonly text: Text }[];
}

export interface KeyDocument {
  readonly state: string;
  readonly hash: string;
  readonly assignment: { readonly id: string; readonly title: Text; readonly languages: readonly string[]; readonly groups: Readonly<Record<string, Text>>; readonly questions: readonly AssignmentQuestion[] };
  readonly key: KeyValue;
  readonly evidence: { readonly questions: readonly QuestionEvidence[] };
  readonly review: readonly Entry[];
}

export interface KeyVersion {
  readonly version: number;
  readonly parent: number | null;
  readonly reason: string;
  readonly policy: string | null;
  readonly state: string;
  readonly hash: string;
  readonly at: string;
  readonly by: string;
}

export interface Change {
  readonly accepted: readonly (readonly string[])[];
  readonly disregard: readonly string[];
  readonly full: boolean;
}
export type Changes = Readonly<Record<string, Change>>;

export interface Moved {
  readonly member: number;
  readonly name: string;
  /** Tenths. */
  readonly before: number;
  readonly after: number;
}

export interface Regrade {
  readonly rise: readonly Moved[];
  readonly fall: readonly Moved[];
  readonly unchanged: number;
  /** Tenths, over those who answered. */
  readonly mean_before: number;
  readonly mean_after: number;
  /** null in a preview. */
  readonly version: number | null;
}

export interface ScoreRow {
  readonly member: number;
  readonly name: string;
  readonly login: string;
  readonly total: number;
  readonly answered: number;
  readonly last_at: string | null;
  readonly tenths: Readonly<Record<string, number>>;
}

export interface Scores {
  readonly version: number;
  readonly of_tenths: number;
  readonly scores: readonly ScoreRow[];
}

export interface ReceiptCheck {
  readonly valid: boolean;
  readonly member?: string | number | null;
  readonly login?: string | null;
  readonly name?: string | null;
  readonly question?: string | null;
  readonly selected?: readonly string[] | null;
  readonly sequence?: number | null;
  readonly at?: string | null;
}

export interface AuditRow {
  readonly at: string;
  /** A login, or "shell". */
  readonly by: string;
  readonly act: string;
  readonly about: Readonly<Record<string, unknown>>;
}

export interface CanvasMerge {
  readonly csv: string;
  readonly matched: number;
  /** One sentence for each line or member. */
  readonly ambiguous: readonly string[];
  readonly unmatched: readonly string[];
}

export type Interval = readonly [number, number];

export interface OptionAnalysis {
  readonly id: string;
  /** null where the key accepts it either way. */
  readonly correct: boolean | null;
  /** Share who chose it of those who answered the question, and of the lower, middle and upper third by total; null of nobody. */
  readonly chosen: number | null;
  readonly by_third: readonly [number | null, number | null, number | null];
  /** Of the upper third's share. */
  readonly top_interval: Interval;
  /** Most of the upper third sees it otherwise than the key; never said of fewer than 30 answers. */
  readonly disagrees: boolean;
}

export interface QuestionAnalysis {
  readonly id: string;
  readonly answered: number;
  /** Share of students whose latest answer earns the points. */
  readonly difficulty: number;
  readonly difficulty_interval: Interval;
  /** The same of the answers on which they settled first. */
  readonly first_difficulty: number;
  readonly item_rest: number | null;
  readonly item_rest_interval: Interval | null;
  /** Share right among the upper and lower 27 %, and the difference. */
  readonly upper: number;
  readonly lower: number;
  readonly discrimination: number;
  readonly alpha_if_deleted: number | null;
  readonly options: readonly OptionAnalysis[];
}

export interface ItemAnalysis {
  readonly n: number;
  /** Too few students to read anything into the numbers. */
  readonly few: boolean;
  /** Tenths. */
  readonly mean: number;
  readonly sd: number;
  readonly kr20: number | null;
  readonly alpha: number | null;
  readonly alpha_interval: Interval | null;
  readonly questions: readonly QuestionAnalysis[];
  readonly disagreements: readonly (readonly [string, string])[];
}

/** What the instructors' part asks the server through; a failure is a `Refused`, or a TypeError when nobody answers. */
export class StaffApi {
  constructor(private readonly api: CourseApi) {}

  async members(): Promise<readonly MemberRow[]> {
    return (await this.api.get<{ members: MemberRow[] }>("/members")).members;
  }
  importRoster(csv: string, dryRun: boolean): Promise<RosterReport> {
    return this.api.post(`/roster${dryRun ? "?dry_run=1" : ""}`, { csv });
  }
  /** A new code; the one before it is worth nothing from then on. */
  async invite(member: number): Promise<string> {
    return (await this.api.post<{ code: string }>(`/members/${member}/invitation`, {})).code;
  }
  setState(state: CourseState, closesAt: string | null, feedback: FeedbackPolicy, interval: number): Promise<Course> {
    return this.api.send("PUT", "/state", { state, closes_at: closesAt, feedback, interval });
  }
  async versions(): Promise<readonly KeyVersion[]> {
    return (await this.api.get<{ versions: KeyVersion[] }>("/keys")).versions;
  }
  key(version: number): Promise<KeyDocument> {
    return this.api.get(`/keys/${version}`);
  }
  /** The version that counts now; null before a key is published. */
  async newestKey(): Promise<KeyDocument | null> {
    const versions = await this.versions();
    return versions.length ? this.key(Math.max(...versions.map(({ version }) => version))) : null;
  }
  review(version: number, question: string, option: string | null, vote: Vote, reason: string): Promise<KeyDocument> {
    return this.api.post(`/keys/${version}/review`, { question, option, vote, reason });
  }
  /** What would become of everybody's points; changes nothing. */
  preview(changes: Changes, policy: string, reason: string): Promise<Regrade> {
    return this.api.post("/regrades/preview", { changes, policy, reason });
  }
  regrade(changes: Changes, policy: string, reason: string): Promise<Regrade> {
    return this.api.post("/regrades", { changes, policy, reason });
  }
  scores(): Promise<Scores> {
    return this.api.get("/scores");
  }
  items(): Promise<ItemAnalysis> {
    return this.api.get("/items");
  }
  receipt(receipt: string): Promise<ReceiptCheck> {
    return this.api.post("/receipts", { receipt });
  }
  async audit(): Promise<readonly AuditRow[]> {
    return (await this.api.get<{ rows: AuditRow[] }>("/audit")).rows;
  }
  /** `column` is the one to fill; null for this assignment's, or a new one. */
  mergeCanvas(csv: string, column: string | null): Promise<CanvasMerge> {
    return this.api.post("/exports/canvas", { csv, column });
  }
}
