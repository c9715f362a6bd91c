import { isDeepStrictEqual } from 'node:util';
import { ask } from './requests.mjs';
import { countRows, OPERATIONS } from './operations.mjs';

/**
 * Asks every gateway for the same, and fails unless all answer the same rows. Nothing is measured before that.
 *
 * @param {{ name: string, kind: 'orgate' | 'postgraphile', url: string, requests: Map<string, any[]> }[]} gateways
 * @returns {Promise<Map<string, number>>} rows of one answer, by operation
 */
export async function verify(gateways, { verified }) {
  const rowCounts = new Map();
  for (const operation of OPERATIONS) {
    for (let index = 0; index < verified; index += 1) {
      const answers = [];
      for (const { name, kind, url, requests } of gateways) {
        answers.push({ name, rows: operation[kind].read(await ask(url, requests.get(operation.name)[index])) });
      }
      const [first, ...others] = answers;
      for (const other of others) {
        if (isDeepStrictEqual(first.rows, other.rows)) continue;
        throw new Error(
          `${operation.title}: ${first.name} and ${other.name} answer differently\n` +
            `${JSON.stringify(first.rows).slice(0, 1500)}\n${JSON.stringify(other.rows).slice(0, 1500)}`,
        );
      }
      const count = countRows(first.rows);
      const expected = rowCounts.get(operation.name) ?? count;
      if (count === 0 || count !== expected)
        throw new Error(`${operation.title}: ${count} rows, where ${expected} were answered before`);
      rowCounts.set(operation.name, count);
    }
  }
  return rowCounts;
}

/** With one organization's token another's repository is not to be found, whoever is asked. */
export async function verifyIsolation({ name, kind, url, requests }) {
  const [mine, theirs] = requests.get('get');
  const data = await ask(url, { token: mine.token, body: theirs.body }).catch((error) => {
    if (!/NOT_FOUND/.test(error.message)) throw error;
    return null;
  });
  if (data && Object.values(data).some((value) => value !== null)) {
    throw new Error(`${name} (${kind}) answers a repository of another organization`);
  }
}
