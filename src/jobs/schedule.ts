/** Work that is done again and again beside the requests. */
export interface Schedule {
  /**
   * Runs `work` every so many milliseconds, the first time after one interval, never twice at once in this process.
   * Replicas all run it: the work itself claims what it does, in the database.
   */
  every(name: string, intervalMs: number, work: (signal: AbortSignal) => Promise<void>): void;
  /** Starts nothing more, and waits for what runs. */
  close(): Promise<void>;
}

/** Work that is over. */
export interface JobRun {
  readonly name: string;
  readonly ms: number;
  /** What it failed with; undefined where it did not. */
  readonly error?: unknown;
}

/** @param tell told of each run that is over */
export function createSchedule(tell: (run: JobRun) => void): Schedule {
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();
  return {
    every(name, intervalMs, work) {
      let busy = false;
      const timer = setInterval(() => {
        if (busy) return;
        busy = true;
        const began = performance.now();
        const end = (error?: unknown) => tell({ name, ms: performance.now() - began, error });
        const run = work(stop.signal)
          .then(() => end(), end)
          .finally(() => {
            busy = false;
            running.delete(run);
          });
        running.add(run);
      }, intervalMs);
      timer.unref();
      timers.add(timer);
    },
    async close() {
      stop.abort();
      for (const timer of timers) clearInterval(timer);
      await Promise.allSettled(running);
    },
  };
}
