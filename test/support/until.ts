import { expect } from '@jest/globals';

/** Asks until it is so, for a minute at most; what happens elsewhere, such as that a server sees who is gone, tells nobody here. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 2400 && !(await isSo()); attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect(await isSo()).toBe(true);
}
