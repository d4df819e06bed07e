/** A student who is logged in: the questions, the answers on their way, and what is heard from the server about them.

It goes on while other rooms are looked at, until somebody else logs in. */
import { leftOver, operationId, type Selection, type Shelf } from "../lib/keptChoices";
import { type Entry, type Halt, SaveQueue } from "../lib/saves";
import type { State } from "../lib/state";
import type { Course, CourseApi, Feedback, Me, Questions } from "./course";

/** Milliseconds between two looks at the course while the page is seen: about so many, so that a class does not look all at once. */
const LOOK = 60_000;
/** The same while it is not open yet: then a look is one question, and somebody waits. */
const LOOK_WAITING = 10_000;
/** Milliseconds after a save, in which more of them may follow, before points are asked for. */
const SETTLE = 1_500;
/** `setTimeout` overflows beyond this. */
const LONGEST = 2 ** 31 - 1;
const WHO = "pellucid-course-who";

export interface Status {
  readonly unsent: readonly string[];
  readonly halted: Halt | null;
  readonly failing: boolean;
  readonly safe: boolean;
}

export class Student {
  questions = $state.raw<Questions | null>(null);
  entries = $state.raw<Readonly<Record<string, Entry>>>({});
  status = $state.raw<Status>({ unsent: [], halted: null, failing: false, safe: true });
  feedback = $state.raw<Feedback | null>(null);
  /** Why there are no questions; null where nothing went wrong. */
  error = $state.raw<unknown>(null);
  /** The rooms beside the questions as they were left, by question. */
  benches = $state.raw<Readonly<Record<string, State>>>({});
  /** How many saves this page has seen acknowledged: the list of receipts has grown with each. */
  saves = $state(0);

  private queue: SaveQueue | null = null;
  private offset = 0;
  private course: Course;
  private readonly member: string;
  private readonly end = new AbortController();
  private readonly timers: { look: ReturnType<typeof setTimeout>; closing?: ReturnType<typeof setTimeout>; settle?: ReturnType<typeof setTimeout> };
  private loading: Promise<void> | null = null;

  constructor(
    private readonly api: CourseApi,
    readonly me: Me,
    course: Course,
    private readonly recheck: () => Promise<void>,
  ) {
    this.course = course;
    this.member = `${me.id}/${me.login}`;
    const on = (target: EventTarget, name: string, react: (event: Event) => void): void => target.addEventListener(name, react, { signal: this.end.signal });
    on(window, "online", () => this.look());
    on(window, "storage", (event) => this.heard(event as StorageEvent));
    on(window, "beforeunload", (event) => { if (!this.status.safe) event.preventDefault(); });
    on(document, "visibilitychange", () => { if (document.visibilityState === "visible") this.look(); });
    this.timers = { look: this.looking() };
  }
  private looking(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.timers.look = this.looking();
      if (document.visibilityState === "visible") this.look();
    }, (this.course.state === "draft" ? LOOK_WAITING : LOOK) * (0.75 + 0.5 * Math.random()));
  }

  is(other: Me): boolean {
    return this.member === `${other.id}/${other.login}`;
  }

  /** The course as it is now. */
  arrived(course: Course): void {
    const before = this.course;
    this.course = course;
    this.offset = Date.parse(course.now) - Date.now();
    clearTimeout(this.timers.closing);
    if (course.me === null) return; // the session ended: it goes on when the same person is back
    remember(this.member);
    if (course.state === "open" && course.closes_at) {
      this.timers.closing = setTimeout(() => void this.recheck(), Math.min(LONGEST, Math.max(0, Date.parse(course.closes_at) - this.now()) + 1000));
    }
    if (course.state === "closed") this.queue?.pause("closed");
    else if (course.state === "open" && this.queue?.halted && this.queue.halted !== "assignment") this.queue.resume();
    if (course.state === "draft") return;
    if (!this.questions) void this.load();
    else if (before.state !== course.state || before.feedback !== course.feedback) void this.refresh();
  }

  async load(): Promise<void> {
    this.loading ??= this.fetched().finally(() => (this.loading = null));
    return this.loading;
  }
  private async fetched(): Promise<void> {
    this.error = null;
    try {
      const questions = await this.api.questions();
      if (this.end.signal.aborted) return;
      if (!this.queue || questions.hash !== this.questions?.hash) {
        this.queue?.stop();
        this.queue = this.begin(questions.hash);
        if (this.course.state === "closed") this.queue.pause("closed");
      } else if (this.queue.halted === "assignment") {
        this.queue.resume();
      }
      this.questions = questions;
      this.told();
      await this.asked();
    } catch (error) {
      this.error = error;
    }
  }

  /** What the server has by now; silent when it does not answer, since nothing here depends on it. */
  async refresh(): Promise<void> {
    await this.asked().catch(() => undefined);
  }
  private async asked(): Promise<void> {
    const { answers, feedback } = await this.api.answers();
    if (this.end.signal.aborted) return;
    this.feedback = feedback;
    this.queue?.learn(answers);
  }

  choose(question: string, selected: Selection): void {
    this.queue?.choose(question, selected);
  }
  dismiss(question: string): void {
    this.queue?.dismiss(question);
  }
  nudge(): void {
    this.queue?.nudge();
  }
  keep(question: string, bench: State): void {
    this.benches = { ...this.benches, [question]: bench };
  }

  /** What was chosen under other editions of the questions and never sent. */
  get left(): ReturnType<typeof leftOver> {
    return leftOver(shelf(), this.member, this.questions?.hash ?? "");
  }
  forget(): void {
    for (const { key } of this.left) shelf()?.removeItem(key);
  }

  /** Nothing is sent for this student any more; what waits is kept. */
  close(): void {
    this.end.abort();
    this.queue?.stop();
    clearTimeout(this.timers.look);
    clearTimeout(this.timers.closing);
    clearTimeout(this.timers.settle);
  }

  private now(): number {
    return Date.now() + this.offset;
  }
  private look(): void {
    this.queue?.nudge();
    void this.recheck();
    if (this.questions) void this.refresh();
  }

  private begin(hash: string): SaveQueue {
    const { me } = this;
    return new SaveQueue(this.member, hash, {
      send: async (question, body) => {
        const saved = await this.api.save(question, { ...body, member: me.id });
        this.saves++;
        this.settle();
        return saved;
      },
      shelf: shelf(),
      now: () => this.now(),
      later: (act, milliseconds) => {
        const timer = setTimeout(act, milliseconds);
        return () => clearTimeout(timer);
      },
      operation: operationId,
      chance: Math.random,
      mine: () => forgetful || [null, this.member].includes(remembered()),
      tell: () => this.told(),
      // subtle: not at once, so that a server that contradicts itself is not asked in a circle
      halted: (why) => void setTimeout(() => (why === "assignment" ? this.load() : this.recheck()), 500),
    });
  }

  private told(): void {
    const { queue, questions } = this;
    if (!queue || !questions || this.end.signal.aborted) return;
    this.entries = Object.fromEntries(questions.questions.map(({ id }) => [id, queue.entry(id)]));
    this.status = { unsent: queue.unsent, halted: queue.halted, failing: queue.failing, safe: queue.safe };
  }

  /** Points follow the answers where the course tells them while it is open. */
  private settle(): void {
    if (this.course.feedback !== "total" && this.course.feedback !== "question") return;
    clearTimeout(this.timers.settle);
    this.timers.settle = setTimeout(() => void this.refresh(), SETTLE);
  }

  private heard({ key, newValue }: StorageEvent): void {
    // somebody logs in, in another tab, and has the session of this one then
    if (key === WHO && newValue !== null && newValue !== this.member) void this.recheck();
    else if (key !== null) this.queue?.heard(key, newValue);
  }
}

/** Whether this browser does not let a page remember who it belongs to. */
let forgetful = false;

/** Nobody's, while somebody logs in. */
export function forgetWho(): void {
  remember("");
}
function remember(member: string): void {
  try {
    localStorage.setItem(WHO, member);
  } catch {
    forgetful = true; // then another tab cannot know; the server's answer to its next question tells it
  }
}
function remembered(): string | null {
  return shelf()?.getItem(WHO) ?? null;
}

function shelf(): Shelf | null {
  try {
    return localStorage;
  } catch {
    return null; // forbidden for this page
  }
}
