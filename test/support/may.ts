/**
 * Tries what not every process may do, before the tests that need it are defined. Where it may not a line says so: a run of
 * many files names no test that is skipped.
 *
 * @param what as in: this process may not …
 * @returns the reason, for the name of what is skipped; null where it can be done
 */
export function whyNot(what: string, attempt: () => unknown): string | null {
  try {
    attempt();
    return null;
  } catch (error) {
    const [said] = String(error instanceof Error ? error.message : error)
      .trim()
      .split('\n')
      .slice(-1);
    const reason = `this process may not ${what}: ${said}`;
    process.stderr.write(`Skipped, since ${reason}\n`);
    return reason;
  }
}
