/** Answers on their way to the server.

What is chosen is kept under user and assignment before anything is sent, and stays kept until the server has acknowledged it: a
closed tab, a closed lid or a server that is down loses nothing. One save is on its way at a time. Of a question only the newest
choice is sent; an operation's id stands for one content for good, so a repeated one is never saved twice. What was
said to count no more, because the course closed or because of a later answer elsewhere, is put aside until somebody decides. */
import type { Answer, SaveBody, SavedAnswer } from "../api/course";
import { Refused } from "../api/lab";
import { type Kept, keptUnder, prefixOf, readKept, type Selection, type Shelf } from "./keptChoices";

/** What somebody has to be told about another answer of theirs, until they dismiss it.
 * `replaced`: theirs, saved elsewhere, was replaced by the one from here. `elsewhere`: the one from here was replaced from elsewhere.
 * `aside`: a choice that was kept here is older than what was saved elsewhere, so it was not sent.
 * `late`: a choice that was kept here had not been received when the course closed, so it was not counted. */
export interface Told {
  readonly kind: "replaced" | "elsewhere" | "aside" | "late";
  readonly selected: Selection;
  readonly at: string;
}

export type Phase = "unanswered" | "saved" | "saving" | "waiting" | "refused" | "aside" | "late";

export interface Entry {
  readonly selected: Selection;
  /** The last that the server acknowledged. */
  readonly saved: Answer | null;
  readonly phase: Phase;
  /** Why it was refused. */
  readonly message: string;
  readonly told: Told | null;
}

/** Why nothing is sent: nobody is logged in, the course is closed, or the questions are other ones now. */
export type Halt = "session" | "closed" | "assignment";

export interface Outside {
  readonly send: (question: string, body: SaveBody) => Promise<SavedAnswer>;
  /** null where the browser keeps nothing. */
  readonly shelf: Shelf | null;
  /** Milliseconds, by the server's clock. */
  readonly now: () => number;
  readonly later: (act: () => void, milliseconds: number) => () => void;
  readonly operation: () => string;
  /** 0 to 1; spreads the pauses of a class whose server comes back. */
  readonly chance: () => number;
  /** Whether whoever is logged in is still the one whose answers these are. */
  readonly mine: () => boolean;
  /** Something is another way now. */
  readonly tell: () => void;
  /** Something happened that only a question to the server can settle. */
  readonly halted: (why: Halt) => void;
}

/** Milliseconds before a failed save is sent again: doubled every time, to half a minute. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
/** Acknowledged operations that are remembered, since another tab may still tell of them. */
const REMEMBERED = 100;

/** The same choice has the same text. */
const textOf = (selected: Selection): string => JSON.stringify([...selected].sort());
const same = (one: Selection, other: Selection): boolean => textOf(one) === textOf(other);

export class SaveQueue {
  private readonly prefix: string;
  private readonly kept = new Map<string, Kept>();
  private readonly saved = new Map<string, Answer>();
  private readonly told = new Map<string, Told>();
  private readonly refused = new Map<string, string>();
  private readonly acknowledged: string[] = [];
  private underWay: string | null = null;
  private failures = 0;
  private retry: (() => void) | null = null;
  private halt: Halt | null = null;
  private begun = false;
  private stopped = false;
  /** Whether what waits would survive the end of the page. */
  private keeps: boolean;

  constructor(
    member: string,
    private readonly assignment: string,
    private readonly outside: Outside,
  ) {
    this.prefix = prefixOf(member, assignment);
    this.keeps = outside.shelf !== null;
    for (const [rest, one] of keptUnder(outside.shelf, this.prefix)) this.keep(decodeURIComponent(rest), one);
  }

  // ------------------------------------------------------------------------------------------------------------ what there is

  entry(question: string): Entry {
    const kept = this.kept.get(question);
    const saved = this.saved.get(question) ?? null;
    const told = this.told.get(question) ?? null;
    const aside = this.aside(question);
    const selected = kept && !aside ? kept.selected : (saved?.selected ?? []);
    return { selected, saved, phase: aside ?? this.phase(question, kept, saved), message: this.refused.get(question) ?? "", told };
  }

  /** The questions whose newest choice the server has not acknowledged, and is to have. */
  get unsent(): readonly string[] {
    return [...this.kept.keys()].filter((question) => this.aside(question) === null);
  }
  get halted(): Halt | null {
    return this.halt;
  }
  /** Whether the server failed to answer the last time. */
  get failing(): boolean {
    return this.failures > 0;
  }
  get safe(): boolean {
    return this.keeps || this.kept.size === 0;
  }

  /** Why the choice that is kept is not sent before somebody decides; null where it is, or where there is none. */
  private aside(question: string): "aside" | "late" | null {
    const kind = this.told.get(question)?.kind;
    return kind === "aside" || kind === "late" ? kind : null;
  }
  private phase(question: string, kept: Kept | undefined, saved: Answer | null): Phase {
    if (!kept) return saved && saved.selected.length > 0 ? "saved" : "unanswered";
    if (this.refused.has(question)) return "refused";
    return this.failures > 0 || this.halt !== null || this.stopped ? "waiting" : "saving";
  }

  // -------------------------------------------------------------------------------------------------------------- what happens

  /** Somebody chose this; it is kept, and sent as soon as may be. */
  choose(question: string, selected: Selection): void {
    const before = this.kept.get(question);
    const older = this.aside(question) === "aside";
    this.told.delete(question);
    this.put(question, {
      selected: [...selected].sort(),
      operation: this.outside.operation(),
      base: this.saved.get(question)?.sequence ?? before?.base ?? 0,
      chosen: new Date(this.outside.now()).toISOString(),
      sent: false,
      unsure: before ? (before.sent && !older ? [...before.unsure, before.selected].slice(-8) : before.unsure) : [],
      late: this.halt === "closed",
    });
    this.refused.delete(question);
    this.outside.tell();
    this.go();
  }

  /** What the server has, the first time or again. */
  learn(answers: Readonly<Record<string, Answer>>): void {
    for (const [question, answer] of Object.entries(answers)) {
      const known = this.saved.get(question);
      if (known && known.sequence >= answer.sequence) continue;
      this.saved.set(question, answer);
      const kept = this.kept.get(question);
      if (!kept) {
        // subtle: the first look is no news, and neither is the same choice once more
        if (this.begun && known && !same(known.selected, answer.selected)) this.told.set(question, { kind: "elsewhere", selected: known.selected, at: answer.at });
      } else if (!this.begun && this.overtaken(kept, answer)) {
        this.told.set(question, { kind: "aside", selected: kept.selected, at: kept.chosen });
      }
    }
    for (const [question, kept] of this.kept) {
      // it had been received after all, or the same was saved elsewhere: there is nothing to decide
      if (kept.late && same(kept.selected, this.saved.get(question)?.selected ?? [])) this.drop(question);
    }
    this.begun = true;
    this.outside.tell();
    this.go();
  }

  /** Whether a choice that waited since an earlier visit is older than what was chosen elsewhere since. */
  private overtaken(kept: Kept, answer: Answer): boolean {
    if (kept.late || answer.sequence <= kept.base || Date.parse(answer.at) <= Date.parse(kept.chosen)) return false;
    return ![kept.selected, ...kept.unsure].some((own) => same(own, answer.selected));
  }

  /** What was told has been read. A choice that was put aside is given up with it. */
  dismiss(question: string): void {
    if (this.aside(question)) this.drop(question);
    this.told.delete(question);
    this.outside.tell();
  }

  /** Another tab of the same person has changed what is kept; `text` is null when it is kept no more. */
  heard(key: string, text: string | null): void {
    if (!key.startsWith(this.prefix)) return;
    const question = decodeURIComponent(key.slice(this.prefix.length));
    const theirs = readKept(text);
    const mine = this.kept.get(question);
    // subtle: what may be sent stays wanted until the server has it; what was put aside was decided there, or had been received
    if (text === null && this.aside(question)) return this.dismiss(question);
    if (theirs?.late && theirs.operation === mine?.operation) {
      this.keep(question, { ...mine, late: true });
      return this.outside.tell();
    }
    if (!theirs || theirs.operation === mine?.operation || this.acknowledged.includes(theirs.operation)) return;
    const before = this.entry(question).selected;
    // subtle: the tab that it was chosen in sends it too; the server takes an operation once
    this.told.delete(question);
    this.keep(question, { ...theirs, unsure: [...theirs.unsure, ...(mine?.sent ? [mine.selected] : [])] });
    this.refused.delete(question);
    if (!theirs.late && !same(before, theirs.selected)) this.told.set(question, { kind: "elsewhere", selected: before, at: theirs.chosen });
    this.outside.tell();
    this.go();
  }

  /** Try now: the network is back, or somebody looks at the page again. */
  nudge(): void {
    this.retry?.();
    this.retry = null;
    this.go();
  }
  pause(why: Halt): void {
    if (this.halt === why) return;
    this.halt = why;
    if (why === "closed") for (const [question, kept] of this.kept) this.put(question, { ...kept, late: true });
    this.outside.tell();
  }
  resume(): void {
    this.halt = null;
    this.refused.clear();
    this.outside.tell();
    this.nudge();
  }
  /** Nothing is sent any more; what waits stays kept for the next visit. */
  stop(): void {
    this.stopped = true;
    this.retry?.();
    this.retry = null;
  }

  // -------------------------------------------------------------------------------------------------------------------- sending

  private next(): string | null {
    for (const question of this.kept.keys()) {
      if (!this.refused.has(question) && this.aside(question) === null) return question;
    }
    return null;
  }

  private go(): void {
    // subtle: not before the first answers are there, which may be newer than what waited
    if (!this.begun || this.underWay !== null || this.stopped || this.halt !== null || this.retry !== null) return;
    const question = this.next();
    const kept = question === null ? undefined : this.kept.get(question);
    if (question === null || !kept) return;
    if (!this.outside.mine()) return this.halting("session");
    this.underWay = question;
    if (!kept.sent) this.put(question, { ...kept, sent: true });
    this.outside.tell();
    const { selected, operation, base } = kept;
    this.outside
      .send(question, { selected, operation, base, hash: this.assignment })
      .then(
        (answer) => this.acknowledge(question, operation, answer),
        (error: unknown) => this.fail(question, operation, error),
      )
      .finally(() => {
        this.underWay = null;
        this.outside.tell();
        this.go();
      });
  }

  private acknowledge(question: string, operation: string, answer: SavedAnswer): void {
    this.failures = 0;
    this.acknowledged.push(operation);
    if (this.acknowledged.length > REMEMBERED) this.acknowledged.shift();
    const { superseded, ...own } = answer;
    const known = this.saved.get(question);
    if (!known || known.sequence < own.sequence) this.saved.set(question, own);
    const kept = this.kept.get(question);
    const ours = [own.selected, ...(kept?.unsure ?? [])];
    if (superseded && !ours.some((one) => same(one, superseded.selected))) {
      this.told.set(question, { kind: "replaced", selected: superseded.selected, at: superseded.at });
    }
    if (kept?.operation === operation) this.drop(question);
    // what was chosen while this was on its way has seen this one
    else if (kept && !kept.sent) this.put(question, { ...kept, base: Math.max(kept.base, own.sequence), unsure: [] });
  }

  private fail(question: string, operation: string, error: unknown): void {
    const status = error instanceof Refused ? error.status : 0;
    if (error instanceof Refused && status === 401) return this.halting("session");
    if (error instanceof Refused && status === 409 && "state" in error.about) return this.halting("closed");
    if (error instanceof Refused && status === 409 && "hash" in error.about) return this.halting("assignment");
    if (error instanceof Refused && status < 500 && status !== 408 && status !== 429) {
      if (this.kept.get(question)?.operation === operation) this.refused.set(question, error.message);
      return;
    }
    this.failures++;
    const grown = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.failures - 1)) * (0.75 + 0.5 * this.outside.chance());
    const wanted = error instanceof Refused && error.retryAfter !== null ? 1000 * error.retryAfter : 0;
    if (this.stopped) return;
    this.retry = this.outside.later(() => {
      this.retry = null;
      this.go();
    }, Math.max(grown, wanted));
  }

  private halting(why: Halt): void {
    this.pause(why);
    this.outside.halted(why);
  }

  // -------------------------------------------------------------------------------------------------------------------- keeping

  private keep(question: string, kept: Kept): void {
    this.kept.set(question, kept);
    if (kept.late) this.told.set(question, { kind: "late", selected: kept.selected, at: kept.chosen });
  }
  private put(question: string, kept: Kept): void {
    this.keep(question, kept);
    try {
      this.outside.shelf?.setItem(this.prefix + encodeURIComponent(question), JSON.stringify(kept));
    } catch {
      this.keeps = false; // full, or forbidden: it is said beside the answers
    }
  }
  private drop(question: string): void {
    const kept = this.kept.get(question);
    this.kept.delete(question);
    if (this.aside(question)) this.told.delete(question);
    const key = this.prefix + encodeURIComponent(question);
    try {
      // subtle: another tab may have put a newer one there, which is not ours to remove
      if (readKept(this.outside.shelf?.getItem(key) ?? null)?.operation === kept?.operation) this.outside.shelf?.removeItem(key);
    } catch {
      this.keeps = false;
    }
  }
}
