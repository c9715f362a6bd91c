import { request } from 'node:http';

/** Asks one thing over a connection of the agent's. @returns what was answered, errors included */
export const ask = (agent, url, token, query, variables = {}) =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({ query, variables });
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const outgoing = request(`${url}/graphql`, { method: 'POST', headers, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    });
    outgoing.on('error', reject).end(body);
  });
