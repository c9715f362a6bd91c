const EACH_MS = 4;
/** However many there are, the last of them is done after so many steps: in two seconds, on a thread that has time. */
const MOST_STEPS = 500;

/** Does later what is many small things at once, such as refusing whoever waits: others use the thread between them. */
export function spreadOut(): (work: () => void) => void {
  const waiting: (() => void)[] = [];
  /** Of the most that have waited: were it of those who still do, each step would do less than the one before. */
  let atATime = 1;
  const some = () => {
    for (const work of waiting.splice(0, atATime)) work();
    if (waiting.length > 0) setTimeout(some, EACH_MS);
    else atATime = 1;
  };
  return (work) => {
    const count = waiting.push(work);
    atATime = Math.max(atATime, Math.ceil(count / MOST_STEPS));
    if (count === 1) setImmediate(some);
  };
}
