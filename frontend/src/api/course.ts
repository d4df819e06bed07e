/** The course on a running server: every route of it that a student meets, and what comes back. */
import { ask, json } from "./live";

/** The same text by language: `en`, `zh-TW`. */
export type Text = Readonly<Record<string, string>>;
export type CourseState = "draft" | "open" | "closed";
export type FeedbackPolicy = "none" | "total" | "question" | "after_close";
export type Role = "student" | "instructor";

export interface Me {
  readonly id: number;
  readonly login: string;
  readonly name: string;
  readonly role: Role;
}

/** Whom an invitation code is for. */
export interface Invited {
  readonly login: string;
  readonly name: string;
  /** Characters that a password has at least. */
  readonly password_least: number;
}

/** GET /api/course. Points are integer tenths, times are UTC in ISO 8601. */
export interface Course {
  readonly id: string;
  readonly title: Text;
  readonly languages: readonly string[];
  readonly groups: Readonly<Record<string, Text>>;
  readonly state: CourseState;
  readonly closes_at: string | null;
  readonly feedback: FeedbackPolicy;
  /** Minutes within which points that are shown on an open course stay the same. */
  readonly interval: number;
  /** The server's clock. */
  readonly now: string;
  readonly total_tenths: number;
  /** null for somebody who has not logged in. */
  readonly me: Me | null;
}

export interface Option {
  readonly id: string;
  readonly text: Text;
}

export interface Question {
  readonly id: string;
  readonly number: number;
  readonly group: string;
  readonly tenths: number;
  /** For people: "0.3". */
  readonly points: string;
  readonly prompt: Text;
  readonly hint: Text;
  /** The query of the view that the question is about; empty where there is none. */
  readonly lab: string;
  /** In this student's own order. */
  readonly options: readonly Option[];
}

export interface Questions {
  /** Of the assignment; a save names it. */
  readonly hash: string;
  readonly questions: readonly Question[];
}

/** What was chosen, as the server keeps it. */
export interface Answer {
  readonly selected: readonly string[];
  readonly sequence: number;
  readonly at: string;
  readonly receipt: string;
}

export interface Feedback {
  readonly total_tenths: number;
  readonly of_tenths: number;
  /** The answers are those of this moment. */
  readonly as_of: string;
  readonly questions: Readonly<Record<string, { readonly tenths: number; readonly of: number }>> | null;
}

export interface Answers {
  readonly answers: Readonly<Record<string, Answer>>;
  readonly answered: number;
  readonly of: number;
  readonly feedback: Feedback | null;
}

export interface SaveBody {
  readonly selected: readonly string[];
  /** Made once for one content: the same one again is never saved twice. */
  readonly operation: string;
  /** The sequence that was seen when this was chosen; 0 before the first. */
  readonly base: number;
  readonly hash: string;
  /** Whose answer it is, which has to be whose session it is. */
  readonly member?: number;
}

export interface SavedAnswer extends Answer {
  /** What somebody with this login saved in the meantime, and this one replaced. */
  readonly superseded: { readonly selected: readonly string[]; readonly sequence: number; readonly at: string } | null;
}

export interface HistoryEntry extends Answer {
  readonly question: string;
}

const COURSE = "/api/course";
const LEAVING = "pellucid-course-leaving";
/** Milliseconds after which a save counts as not answered, and is sent again. */
const UNANSWERED = 15_000;

/** What every part of the course asks the server through; a failure is a `Refused`, or a TypeError when nobody answers. */
export class CourseApi {
  /** null where the lab holds no course. */
  async find(): Promise<Course | null> {
    return (await this.get<Course | undefined>("")) ?? null;
  }
  course(): Promise<Course> {
    return this.get("");
  }
  logIn(login: string, password: string): Promise<Me> {
    return this.post("/sessions", { login, password });
  }
  /** Ends the session. When the server cannot be told, this fails, and it is told before this browser asks anything else. */
  async logOut(): Promise<void> {
    this.owe(true);
    await this.ended();
  }
  /** Whom the code invites; it is not used up by that. */
  invited(code: string): Promise<Invited> {
    return this.post("/invitations/asked", { code });
  }
  /** Makes the password of an invitation, and logs in. */
  accept(code: string, password: string): Promise<Me> {
    return this.post("/invitations", { code, password });
  }
  questions(): Promise<Questions> {
    return this.get("/questions");
  }
  answers(): Promise<Answers> {
    return this.get("/answers");
  }
  save(question: string, body: SaveBody): Promise<SavedAnswer> {
    // subtle: keepalive, so that what was chosen right before the tab is closed still leaves
    return this.send("PUT", `/answers/${encodeURIComponent(question)}`, body, { keepalive: true, signal: AbortSignal.timeout(UNANSWERED) });
  }
  async history(): Promise<readonly HistoryEntry[]> {
    return (await this.get<{ saves: HistoryEntry[] }>("/history")).saves;
  }

  /** `path` is below /api/course. */
  get<T>(path: string): Promise<T> {
    return this.ask<T>(path);
  }
  post<T>(path: string, body: object): Promise<T> {
    return this.ask<T>(path, json(body));
  }
  send<T>(method: "PUT" | "POST", path: string, body: object, more: RequestInit = {}): Promise<T> {
    return this.ask<T>(path, { ...json(body), method, ...more });
  }

  private async ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    if (this.owes()) await this.ended();
    return ask<T>(COURSE + path, init);
  }

  /** Whether somebody logged out and the server does not know. Kept in the browser, since the page may be closed before it does. */
  private owing = false;
  private ending: Promise<void> | null = null;
  private ended(): Promise<void> {
    this.ending ??= ask<void>(`${COURSE}/sessions`, { method: "DELETE" })
      .then(() => this.owe(false))
      .finally(() => (this.ending = null));
    return this.ending;
  }
  private owe(owing: boolean): void {
    this.owing = owing;
    try {
      if (owing) localStorage.setItem(LEAVING, "1");
      else localStorage.removeItem(LEAVING);
    } catch {
      // then this page alone knows
    }
  }
  private owes(): boolean {
    try {
      return this.owing || localStorage.getItem(LEAVING) !== null;
    } catch {
      return this.owing;
    }
  }
}
