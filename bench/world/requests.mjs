import { firstRuns, OPERATIONS, UNIQUE } from './operations.mjs';

/** One request, ready to be sent: `POST /graphql` with this token and body. */
/** @typedef {{ token: string, body: string }} Request */

/** @returns {Promise<any>} the data; throws on any error, so that nothing wrong is ever measured */
export async function ask(url, { token, body }) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
    body: body.replaceAll(UNIQUE, uniqueNumber()),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${text.slice(0, 500)}`);
  const { data, errors } = JSON.parse(text);
  if (errors) throw new Error(`GraphQL: ${JSON.stringify(errors).slice(0, 500)}`);
  return data;
}

let lastNumber = 0;
/** Twelve digits, from a range that the load generator does not use. */
const uniqueNumber = () => String((lastNumber += 1) + 900_000_000_000);

/**
 * Everything that is sent to one kind of gateway: for every operation requests of all the organizations, shuffled, the
 * same choice for both kinds.
 *
 * @param {'orgate' | 'postgraphile'} kind
 * @param {string} url a gateway of that kind, asked for its cursors
 * @param {{ orgId: string, token: string, repositoryIds: string[] }[]} organizations
 * @returns {Promise<Map<string, Request[]>>} by the operation's name, and `mixed`
 */
export async function prepareRequests(kind, url, organizations) {
  const requestOf = (operation, { orgId, token, repositoryId, cursor }) => {
    const { query, variables } = operation[kind];
    return { token, body: JSON.stringify({ query, variables: variables({ orgId, repositoryId, cursor }) }) };
  };
  const runs = OPERATIONS.find(({ name }) => name === 'runs');
  const asked = [];
  for (const { repositoryIds, ...organization } of organizations) {
    const first = await ask(url, requestOf(runs, organization));
    const random = randomFrom(organization.orgId);
    const repositoryId = repositoryIds[Math.floor(random() * repositoryIds.length)];
    asked.push({ ...organization, repositoryId, cursor: firstRuns(first) });
  }
  const shuffle = shuffler('the same order for both kinds');
  const requests = new Map(OPERATIONS.map((each) => [each.name, shuffle(asked).map((one) => requestOf(each, one))]));
  const mixed = asked.flatMap((one) =>
    shuffle(OPERATIONS.flatMap((each) => Array.from({ length: each.share / 5 }, () => requestOf(each, one)))),
  );
  return requests.set('mixed', shuffle(mixed));
}

function shuffler(seed) {
  const random = randomFrom(seed);
  return (list) => {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i -= 1) {
      const j = Math.floor(random() * (i + 1));
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  };
}

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed) {
  let state = [...seed].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
