/** Runs work, a few at once and the others in turn, where there is room for them to wait. Where there is none, it is not run. */
export type AtOnce = (work: () => Promise<void>) => Promise<void>;

export function fewAtOnce(most: number, mostWaiting: number): AtOnce {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return async (work) => {
    if (underWay >= most) {
      if (waiting.length >= mostWaiting) return;
      await new Promise<void>((begin) => waiting.push(begin)); // whoever ended hands on its place
    } else underWay += 1;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else underWay -= 1;
    }
  };
}
