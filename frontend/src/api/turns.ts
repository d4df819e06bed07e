/** At most so many at once; the rest wait in the order in which they came. */
export class Turns {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(size: number) {
    this.free = size;
  }

  /** Runs `work` when its turn comes. One that is no longer wanted by then gives its turn away and answers undefined. */
  async take<T>(work: () => Promise<T>, stop: AbortSignal): Promise<T | undefined> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return stop.aborted ? undefined : await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
