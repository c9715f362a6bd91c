const EACH_MS = 4;
/** However many there are, the last of them is done after two seconds. */
const MOST_STEPS = 500;

/** Does later what is many small things at once, such as refusing whoever waits: others use the thread between them. */
export function spreadOut(): (work: () => void) => void {
  const waiting: (() => void)[] = [];
  const some = () => {
    for (const work of waiting.splice(0, Math.ceil(waiting.length / MOST_STEPS))) work();
    if (waiting.length > 0) setTimeout(some, EACH_MS);
  };
  return (work) => {
    if (waiting.push(work) === 1) setImmediate(some);
  };
}
