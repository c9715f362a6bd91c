import { PAGE_BYTES } from '../../page-bytes.js';

/** Rows beyond the size of a page are some megabytes each at the most, and wait for whoever takes them: so many of all, and one of an organization. */
const AT_ONCE = 4;

/**
 * Whose large parts wait to be taken. Of what is no larger than a page there are as many as exports at a time, some megabytes in
 * all; neither is counted to what answers may have together, or slow exports would take it from everybody.
 */
export class LargeParts {
  readonly #owners = new Set<string>();

  /** @returns what gives the room back; null where there is none now */
  take(orgId: string, bytes: number): (() => void) | null {
    if (bytes <= PAGE_BYTES + 1024) return () => undefined;
    if (this.#owners.has(orgId) || this.#owners.size >= AT_ONCE) return null;
    this.#owners.add(orgId);
    let isGiven = false;
    return () => {
      if (!isGiven) this.#owners.delete(orgId);
      isGiven = true;
    };
  }
}
