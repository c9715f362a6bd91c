/** Waits for a piece of work until the deadline, or a second if that has passed. Fails as the work does. */
export type EndInTime = (what: string, work: Promise<unknown>) => Promise<void>;

const LAST_CHANCE_MS = 1000;

/**
 * One deadline for all that has to end: whatever hangs is named, and waited for no longer.
 *
 * @param onLate told what had not ended in time
 */
export function createDeadline(ms: number, onLate: (what: string) => void): EndInTime {
  const end = performance.now() + ms;
  return async (what, work) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), Math.max(end - performance.now(), LAST_CHANCE_MS));
    });
    try {
      if ((await Promise.race([work, late])) === 'late') onLate(what);
    } finally {
      clearTimeout(timer);
    }
    work.catch(() => undefined); // nobody waits for it now
  };
}
