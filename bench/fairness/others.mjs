import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The others, who do their worst, in a process of their own: what they wait for each other is no fault of the gateway's. They
 * stand for machines that are elsewhere, so on this one they yield to what is measured.
 */
setPriority(19);

const QUERIES = {
  runs: () => ['{ runs(first: 20) { totalCount nodes { id status agent { name } } } }', {}],
  start: ({ agentId }) => ['mutation ($a: ID!) { startRun(input: { agentId: $a }) { id } }', { a: agentId }],
  progress: ({ runId }) => ['mutation ($id: ID!) { recordRunProgress(id: $id, input: {}) { id } }', { id: runId }],
};

let isOver = false;
const WORK = { hammer, group };
process.on('message', ({ over, work, ...told }) => {
  if (over) isOver = true;
  else {
    isOver = false;
    void WORK[work](told).then(
      (saw) => process.send({ saw }),
      (error) => process.send({ error: error.message }),
    );
  }
});
process.on('disconnect', () => process.exit());

/** Asks again and again until told to end, as organizations that do as they are told: they come back after `retryAfter`. */
async function hammer({ url, who, loops, queries }) {
  const codes = {};
  const loop = async (each, first) => {
    for (let round = first; !isOver; round += 1) {
      const [query, variables] = QUERIES[queries[round % queries.length]](each);
      const { errors } = await post(`${url}/graphql`, each.token, { query, variables });
      const { code = 'answered', retryAfter = 0.1 } = errors?.[0]?.extensions ?? {};
      codes[code] = (codes[code] ?? 0) + 1;
      if (errors) await sleep(retryAfter * 1000);
    }
  };
  await Promise.all(who.flatMap((each) => Array.from({ length: loops }, (_, first) => loop(each, first))));
  return codes;
}

async function post(url, token, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** Makes, reads, changes, replaces and deletes a group of so many, until told to end, beside what else the organization does. */
async function group({ url, token, size, beside }) {
  const others = hammer({ url, ...beside });
  const slowest = {};
  const members = (count) => Array.from({ length: count }, (_, index) => ({ value: `scu_big${index + 1}` }));
  const whole = JSON.stringify({ displayName: 'Everyone', members: members(size) });
  const half = JSON.stringify({ Operations: [{ op: 'replace', path: 'members', value: members(size / 2) }] });
  const send = async (method, path, body) => {
    const began = performance.now();
    const response = await fetch(`${url}/scim/v2/Groups${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/scim+json' }) },
      body,
    });
    const text = await response.text();
    const what = `${method} ${response.status}`;
    slowest[what] = Math.max(slowest[what] ?? 0, Math.round(performance.now() - began));
    if (!response.ok) await sleep(1000);
    return /"id":"(scg_\w+)"/.exec(text)?.[1];
  };
  try {
    while (!isOver) {
      const id = await send('POST', '', whole);
      if (!id) continue;
      await send('GET', `/${id}`);
      await send('PATCH', `/${id}`, half);
      await send('PUT', `/${id}`, whole);
      await send('DELETE', `/${id}`);
    }
  } finally {
    isOver = true;
    await others;
  }
  return { ...(await others), slowestMs: slowest };
}
