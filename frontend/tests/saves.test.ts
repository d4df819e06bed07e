import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Answer, SaveBody, SavedAnswer } from "../src/api/course";
import { Refused } from "../src/api/lab";
import { leftOver, operationId, type Shelf } from "../src/lib/keptChoices";
import { type Halt, type Outside, SaveQueue } from "../src/lib/saves";

const HASH = "f00d";
const MEMBER = "7/ada";
const CLOSED = new Refused(409, "the course is closed", null, { state: "closed" });
const NOON = Date.UTC(2026, 10, 2, 12);

/** What `localStorage` is, and the browser's other tabs hear of it. */
class Memory implements Shelf {
  readonly held = new Map<string, string>();
  full = false;
  get length(): number {
    return this.held.size;
  }
  key(at: number): string | null {
    return [...this.held.keys()][at] ?? null;
  }
  getItem(key: string): string | null {
    return this.held.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.held.set(key, value);
  }
  removeItem(key: string): void {
    this.held.delete(key);
  }
}

/** A server that keeps every save once, in its order, as the contract says. */
class Server {
  readonly log: { question: string; operation: string; answer: Answer }[] = [];
  readonly asked: { question: string; body: SaveBody }[] = [];
  /** What the next requests meet, in turn: nothing arrives, the answer gets lost, or the server refuses. */
  readonly weather: ("down" | "lost" | Refused)[] = [];
  private doors: (() => void)[] = [];
  private shut = false;
  clock = NOON;

  hold(): void {
    this.shut = true;
  }
  async release(): Promise<void> {
    this.shut = false;
    for (const open of this.doors.splice(0)) open();
    await settled();
  }
  latest(question: string): Answer | undefined {
    return this.log.filter((one) => one.question === question).at(-1)?.answer;
  }
  get answers(): Record<string, Answer> {
    return Object.fromEntries(this.log.map(({ question, answer }) => [question, answer]));
  }

  async save(question: string, body: SaveBody): Promise<SavedAnswer> {
    this.asked.push({ question, body });
    if (this.shut) await new Promise<void>((open) => this.doors.push(open));
    const meets = this.weather.shift();
    if (meets === "down") throw new TypeError("fetch failed");
    if (meets instanceof Refused) throw meets;
    const again = this.log.find(({ operation }) => operation === body.operation);
    const before = this.latest(question);
    const sequence = this.log.length + 1;
    const answer = again?.answer ?? { selected: body.selected, sequence, at: new Date(this.clock).toISOString(), receipt: `${sequence}-0123456789abcdef` };
    if (again) expect(body.selected).toEqual(again.answer.selected);
    else this.log.push({ question, operation: body.operation, answer });
    if (meets === "lost") throw new TypeError("connection reset");
    return { ...answer, superseded: before && !again && before.sequence > body.base ? before : null };
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

interface Tab {
  queue: SaveQueue;
  /** Milliseconds until it tries again; null while it does not wait. */
  pause: number | null;
  wait: () => Promise<void>;
  halts: Halt[];
}

function tab(server: Server, shelf: Memory | null, more: Partial<Outside> & { member?: string; hash?: string } = {}): Tab {
  let due: (() => void) | null = null;
  const made: Omit<Tab, "queue"> = {
    pause: null,
    halts: [],
    wait: async () => {
      made.pause = null;
      due?.();
      await settled();
    },
  };
  const queue = new SaveQueue(more.member ?? MEMBER, more.hash ?? HASH, {
    send: (question, body) => server.save(question, body),
    shelf,
    now: () => server.clock,
    later: (act, milliseconds) => {
      made.pause = milliseconds;
      due = act;
      return () => void (due = null);
    },
    operation: operationId,
    chance: () => 0.5,
    mine: () => true,
    tell: () => undefined,
    halted: (why) => made.halts.push(why),
    ...more,
  });
  return Object.assign(made, { queue });
}
async function opened(server: Server, shelf: Memory | null, more: Parameters<typeof tab>[2] = {}): Promise<Tab> {
  const made = tab(server, shelf, more);
  made.queue.learn(server.answers);
  await settled();
  return made;
}

describe("a choice", () => {
  it("is saved at once, with a receipt, and kept no longer", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    const { queue } = await opened(server, shelf);
    expect(queue.entry("q1").phase).toBe("unanswered");
    queue.choose("q1", ["b", "a"]);
    expect(queue.entry("q1")).toMatchObject({ phase: "saving", selected: ["a", "b"] });
    expect(shelf.length).toBe(1);
    await settled();
    expect(queue.entry("q1")).toMatchObject({ phase: "saved", saved: { sequence: 1, receipt: "1-0123456789abcdef" }, told: null });
    expect(shelf.length).toBe(0);
    expect(server.asked[0]?.body).toMatchObject({ base: 0, hash: HASH });
  });

  it("is sent alone: while one is on its way only the newest of the others follows", async () => {
    const server = new Server();
    const { queue } = await opened(server, new Memory());
    server.hold();
    queue.choose("q1", ["a"]);
    queue.choose("q1", ["a", "b"]);
    queue.choose("q1", ["c"]);
    await server.release();
    expect(server.asked.map(({ body }) => body.selected)).toEqual([["a"], ["c"]]);
    expect(server.asked.map(({ body }) => body.base)).toEqual([0, 1]);
    expect(queue.entry("q1")).toMatchObject({ phase: "saved", told: null, saved: { sequence: 2 } });
  });

  it("of nothing is saved too, and is no answer", async () => {
    const server = new Server();
    const { queue } = await opened(server, new Memory());
    queue.choose("q1", ["a"]);
    queue.choose("q1", []);
    await settled();
    expect(queue.entry("q1")).toMatchObject({ phase: "unanswered", selected: [], saved: { sequence: 2 } });
  });
});

describe("the first look at the server", () => {
  it("comes before anything that waited is sent", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    const { queue } = tab(server, shelf);
    queue.choose("q1", ["a"]);
    queue.nudge();
    await settled();
    expect(server.asked).toEqual([]);
    queue.learn({});
    await settled();
    expect(queue.entry("q1").phase).toBe("saved");
  });

  it("that is older than a save takes nothing back", async () => {
    const server = new Server();
    const { queue } = await opened(server, new Memory());
    queue.choose("q1", ["a"]);
    await settled();
    const before = server.answers;
    queue.choose("q1", ["b"]);
    await settled();
    queue.learn(before);
    expect(queue.entry("q1")).toMatchObject({ selected: ["b"], told: null, saved: { sequence: 2 } });
  });
});

describe("a server that is down", () => {
  it("is asked again after growing pauses, and nothing is lost", async () => {
    const server = new Server();
    server.weather.push(...Array<"down">(8).fill("down"));
    const it = await opened(server, new Memory());
    it.queue.choose("q1", ["a"]);
    it.queue.choose("q2", ["b"]);
    await settled();
    const pauses = [];
    while (it.pause !== null) {
      expect(it.queue.entry("q1").phase).toBe("waiting");
      expect(it.queue.unsent).toEqual(["q1", "q2"]);
      pauses.push(it.pause);
      await it.wait();
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => 1000 * seconds));
    expect([server.latest("q1")?.selected, server.latest("q2")?.selected]).toEqual([["a"], ["b"]]);
    expect(it.queue.failing).toBe(false);
  });

  it("that lost its answer saves once, though it is asked twice", async () => {
    const server = new Server();
    server.weather.push("lost");
    const it = await opened(server, new Memory());
    it.queue.choose("q1", ["a"]);
    await settled();
    await it.wait();
    expect(server.asked.map(({ body }) => body.operation)).toEqual(Array(2).fill(server.asked[0]?.body.operation));
    expect(server.log).toHaveLength(1);
    expect(it.queue.entry("q1")).toMatchObject({ phase: "saved", told: null });
  });

  it("that has an unacknowledged choice of ours is not somebody else", async () => {
    const server = new Server();
    server.weather.push("lost");
    const it = await opened(server, new Memory());
    it.queue.choose("q1", ["a"]);
    await settled();
    it.queue.choose("q1", ["b"]); // another content, so another operation
    await it.wait();
    expect(new Set(server.asked.map(({ body }) => body.operation)).size).toBe(2);
    expect(server.log.map(({ answer }) => answer.selected)).toEqual([["a"], ["b"]]);
    expect(it.queue.entry("q1")).toMatchObject({ phase: "saved", selected: ["b"], told: null });
  });

  it("that asks for patience gets it", async () => {
    const server = new Server();
    server.weather.push(new Refused(429, "too many", 7));
    const it = await opened(server, new Memory());
    it.queue.choose("q1", ["a"]);
    await settled();
    expect(it.pause).toBe(7000);
    it.queue.nudge();
    await settled();
    expect(it.queue.entry("q1").phase).toBe("saved");
  });
});

describe("what waits", () => {
  it("is sent at the next visit, with the same operation", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("lost", "down");
    const first = await opened(server, shelf);
    first.queue.choose("q1", ["a"]);
    first.queue.choose("q2", ["b"]);
    await settled();
    first.queue.stop();
    const second = tab(server, shelf);
    expect(second.queue.entry("q1")).toMatchObject({ phase: "saving", selected: ["a"] });
    second.queue.learn(server.answers);
    await settled();
    await second.wait();
    expect(server.log.map(({ question }) => question).sort()).toEqual(["q1", "q2"]);
    expect(second.queue.unsent).toEqual([]);
    expect(second.queue.entry("q1").told).toBeNull();
    expect(shelf.length).toBe(0);
  });

  it("is never given to somebody else, nor to other questions", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("down");
    const mine = await opened(server, shelf);
    mine.queue.choose("q1", ["a"]);
    await settled();
    mine.queue.stop();
    for (const other of [{ member: "8/bob" }, { member: "7" }, { hash: "cafe" }]) {
      const theirs = await opened(server, shelf, other);
      expect(theirs.queue.unsent).toEqual([]);
      expect(theirs.queue.entry("q1").selected).toEqual([]);
    }
    expect(server.log).toEqual([]);
    expect(leftOver(shelf, MEMBER, "cafe").map(({ question, selected }) => [question, selected])).toEqual([["q1", ["a"]]]);
    expect(leftOver(shelf, MEMBER, HASH)).toEqual([]);
    expect(leftOver(shelf, "8/bob", "cafe")).toEqual([]);
  });

  it("does not leave under another's session", async () => {
    const server = new Server();
    let mine = true;
    const it = await opened(server, new Memory(), { mine: () => mine });
    mine = false;
    it.queue.choose("q1", ["a"]);
    await settled();
    expect([server.asked, it.halts, it.queue.entry("q1").phase]).toEqual([[], ["session"], "waiting"]);
  });

  it("is told of where the browser keeps nothing", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("down");
    shelf.full = true;
    const it = await opened(server, shelf);
    expect(it.queue.safe).toBe(true);
    it.queue.choose("q1", ["a"]);
    await settled();
    expect(it.queue.safe).toBe(false);
    await it.wait();
    expect([it.queue.safe, server.latest("q1")?.selected]).toEqual([true, ["a"]]);
  });

  it("survives what somebody else left under such a name", () => {
    const shelf = new Memory();
    for (const [n, text] of ["", "{", "null", "[]", '{"selected":1}'].entries()) shelf.held.set(`pellucid-course:7%2Fada:f00d:q${n}`, text);
    expect(tab(new Server(), shelf).queue.unsent).toEqual([]);
  });
});

describe("two devices", () => {
  it("the later save wins, and whoever saved it is told what it replaced", async () => {
    const server = new Server();
    const [laptop, phone] = [await opened(server, new Memory()), await opened(server, new Memory())];
    laptop.queue.choose("q1", ["a"]);
    await settled();
    phone.queue.choose("q1", ["b"]);
    await settled();
    expect(phone.queue.entry("q1")).toMatchObject({ phase: "saved", selected: ["b"], told: { kind: "replaced", selected: ["a"] } });
    laptop.queue.learn(server.answers);
    expect(laptop.queue.entry("q1")).toMatchObject({ phase: "saved", selected: ["b"], told: { kind: "elsewhere", selected: ["a"] } });
    laptop.queue.choose("q1", ["a"]); // taken back
    await settled();
    expect(laptop.queue.entry("q1")).toMatchObject({ selected: ["a"], told: null });
    expect(server.latest("q1")?.selected).toEqual(["a"]);
  });

  it("a choice that waited is put aside when a later one was made elsewhere", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("down");
    const laptop = await opened(server, shelf);
    laptop.queue.choose("q1", ["a"]); // on Monday, without a network
    await settled();
    laptop.queue.stop();
    server.clock += 86_400_000;
    (await opened(server, new Memory())).queue.choose("q1", ["b"]); // on Tuesday, on the phone
    await settled();
    const again = await opened(server, shelf);
    expect(again.queue.entry("q1")).toMatchObject({ phase: "aside", selected: ["b"], told: { kind: "aside", selected: ["a"], at: new Date(NOON).toISOString() } });
    expect(server.latest("q1")?.selected).toEqual(["b"]);
    again.queue.dismiss("q1");
    expect([again.queue.entry("q1").phase, again.queue.unsent, shelf.length]).toEqual(["saved", [], 0]);
  });

  it("a choice that waited and is the newer one is sent, and what it replaces is told", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    (await opened(server, new Memory())).queue.choose("q1", ["b"]);
    server.weather.push("down");
    const laptop = tab(server, shelf);
    laptop.queue.learn({});
    await settled();
    server.clock += 1000;
    laptop.queue.choose("q1", ["a"]);
    await settled();
    laptop.queue.stop();
    const again = await opened(server, shelf);
    expect(server.latest("q1")?.selected).toEqual(["a"]);
    expect(again.queue.entry("q1").told).toMatchObject({ kind: "replaced", selected: ["b"] });
  });
});

describe("two tabs", () => {
  it("show one choice, and send it once", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    const [left, right] = [await opened(server, shelf), await opened(server, shelf)];
    server.hold();
    left.queue.choose("q1", ["a"]);
    const [key = "", text = ""] = [...shelf.held.entries()][0] ?? [];
    right.queue.heard(key, text);
    expect(right.queue.entry("q1")).toMatchObject({ selected: ["a"], told: { kind: "elsewhere", selected: [] } });
    await server.release();
    right.queue.heard(key, null);
    right.queue.heard(key, text); // late news of what is done
    await settled();
    expect([server.log.length, server.asked.length]).toEqual([1, 2]);
    expect([left, right].map(({ queue }) => queue.entry("q1").phase)).toEqual(["saved", "saved"]);
    expect(shelf.length).toBe(0);
  });

  it("leave each other's choices kept", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    const [left, right] = [await opened(server, shelf), await opened(server, shelf)];
    server.hold();
    left.queue.choose("q1", ["a"]);
    right.queue.stop(); // it closes before it can send
    right.queue.choose("q1", ["b"]);
    await server.release();
    expect(left.queue.unsent).toEqual([]);
    expect(tab(server, shelf).queue.entry("q1")).toMatchObject({ phase: "saving", selected: ["b"] });
  });

  it("do not send an older choice after a newer one", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("down", "down");
    const [left, right] = [await opened(server, shelf), await opened(server, shelf)];
    left.queue.choose("q1", ["a"]);
    await settled();
    right.queue.choose("q1", ["b"]);
    const [key = "", text = ""] = [...shelf.held.entries()][0] ?? [];
    left.queue.heard(key, text);
    await settled();
    await right.wait();
    await left.wait();
    expect(server.log.map(({ answer }) => answer.selected)).toEqual([["b"]]);
    expect(left.queue.entry("q1").selected).toEqual(["b"]);
  });
});

describe("a save that is refused", () => {
  it.each([
    ["session", new Refused(401, "log in")],
    ["assignment", new Refused(409, "other questions", null, { hash: "cafe" })],
  ] as const)("for the %s stays kept, and is sent when that is over", async (why, refusal) => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push(refusal);
    const it = await opened(server, shelf);
    it.queue.choose("q1", ["a"]);
    it.queue.choose("q2", ["b"]);
    await settled();
    expect([it.halts, it.queue.halted, it.queue.unsent, server.asked.length]).toEqual([[why], why, ["q1", "q2"], 1]);
    expect(it.queue.entry("q1").phase).toBe("waiting");
    it.queue.resume();
    await settled();
    expect([it.queue.unsent, shelf.length]).toEqual([[], 0]);
  });

  it("since the course closed stays kept, and is sent only when somebody says so", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    let it = await opened(server, shelf);
    it.queue.choose("q1", ["a"]);
    await settled();
    server.weather.push(CLOSED);
    it.queue.choose("q1", ["a", "b"]);
    it.queue.choose("q2", ["b"]);
    await settled();
    expect([it.halts, it.queue.halted, it.queue.unsent, server.asked.length, shelf.length]).toEqual([["closed"], "closed", [], 2, 2]);
    const late = { phase: "late", selected: ["a"], saved: { sequence: 1 }, told: { kind: "late", selected: ["a", "b"] } };
    expect(it.queue.entry("q1")).toMatchObject(late);
    expect(it.queue.entry("q2")).toMatchObject({ phase: "late", selected: [], saved: null });
    it.queue.stop();
    it = await opened(server, shelf); // it is open again when the page is loaded the next time
    it.queue.nudge();
    it.queue.resume();
    await settled();
    expect(server.asked).toHaveLength(2);
    expect(it.queue.entry("q1")).toMatchObject(late);
    it.queue.dismiss("q1");
    it.queue.choose("q2", it.queue.entry("q2").told?.selected ?? []);
    await settled();
    expect([it.queue.entry("q1"), it.queue.entry("q2")]).toMatchObject([{ phase: "saved", selected: ["a"], told: null }, { phase: "saved", selected: ["b"], told: null }]);
    expect([it.queue.unsent, shelf.length]).toEqual([[], 0]);
  });

  it("since the course closed is put aside in every tab, and what is decided in one is decided in all", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("down");
    const [left, right] = [await opened(server, shelf), await opened(server, shelf)];
    left.queue.choose("q1", ["a"]);
    await settled();
    const [key = ""] = [...shelf.held.keys()];
    right.queue.pause("session"); // it is not looked at
    right.queue.heard(key, shelf.getItem(key));
    left.queue.pause("closed");
    right.queue.heard(key, shelf.getItem(key));
    right.queue.resume();
    await settled();
    expect([right.queue.entry("q1").phase, server.log.length]).toEqual(["late", 0]);
    left.queue.dismiss("q1");
    right.queue.heard(key, shelf.getItem(key));
    expect([right.queue.entry("q1"), shelf.length]).toMatchObject([{ phase: "unanswered", told: null }, 0]);
  });

  it("is nothing to decide when the server had it before the course closed", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    server.weather.push("lost");
    const { queue } = await opened(server, shelf);
    queue.choose("q1", ["a"]);
    await settled();
    queue.pause("closed");
    expect(queue.entry("q1").phase).toBe("late");
    queue.learn(server.answers);
    expect([queue.entry("q1"), shelf.length]).toMatchObject([{ phase: "saved", told: null }, 0]);
  });

  it("is nothing to decide when it was on its way as the course closed, and arrived", async () => {
    const [server, shelf] = [new Server(), new Memory()];
    const { queue } = await opened(server, shelf);
    server.hold();
    queue.choose("q1", ["a"]);
    queue.pause("closed");
    await server.release();
    expect([queue.entry("q1"), shelf.length]).toMatchObject([{ phase: "saved", told: null }, 0]);
  });

  it("for what it holds does not hold up the others, and is not sent again by itself", async () => {
    const server = new Server();
    server.weather.push(new Refused(422, "no option named z"));
    const it = await opened(server, new Memory());
    it.queue.choose("q1", ["z"]);
    it.queue.choose("q2", ["b"]);
    await settled();
    expect(it.queue.entry("q1")).toMatchObject({ phase: "refused", message: "no option named z", selected: ["z"] });
    expect(it.queue.entry("q2").phase).toBe("saved");
    it.queue.choose("q1", ["a"]);
    await settled();
    expect(it.queue.entry("q1").phase).toBe("saved");
    expect(server.asked).toHaveLength(3);
  });
});

it("whatever the weather and however often the page is closed, the last choice of each question arrives, once", async () => {
  const act = fc.oneof(
    fc.record({ choose: fc.constantFrom("q1", "q2"), selected: fc.subarray(["a", "b", "c"]) }),
    fc.record({ weather: fc.constantFrom<("down" | "lost" | Refused)[]>("down", "lost", new Refused(503, "busy"), new Refused(429, "slow", 3), new Refused(401, "who?")) }),
    fc.constantFrom("wait", "nudge", "resume", "close" as const),
  );
  await fc.assert(fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
    const [server, shelf] = [new Server(), new Memory()];
    let now = await opened(server, shelf);
    const last: Record<string, readonly string[]> = {};
    for (const one of acts) {
      server.clock += 1000;
      if (one === "wait") await now.wait();
      else if (one === "nudge") now.queue.nudge();
      else if (one === "resume") now.queue.resume();
      else if (one === "close") (now.queue.stop(), (now = await opened(server, shelf)));
      else if ("weather" in one) server.weather.push(one.weather);
      else (now.queue.choose(one.choose, one.selected), (last[one.choose] = one.selected));
      if (server.clock % 2000) await settled(); // sometimes two things happen at once
    }
    server.weather.splice(0);
    now.queue.stop();
    await settled();
    now = await opened(server, shelf);
    await settled();
    expect(now.queue.unsent).toEqual([]);
    expect(shelf.length).toBe(0);
    for (const [question, selected] of Object.entries(last)) {
      expect(server.latest(question)?.selected).toEqual([...selected].sort());
      expect(now.queue.entry(question)).toMatchObject({ selected: [...selected].sort(), told: null });
    }
    const operations = server.log.map(({ operation }) => operation);
    expect(new Set(operations).size).toBe(operations.length);
  }), { numRuns: 150 });
});

it("an operation's id is new every time, with and without HTTPS", () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const { randomUUID } = crypto;
  const ids = [operationId(), operationId()];
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  ids.push(operationId(), operationId());
  Object.defineProperty(crypto, "randomUUID", { value: randomUUID, configurable: true });
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(uuid);
});
