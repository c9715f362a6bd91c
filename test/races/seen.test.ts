import { expect } from '@jest/globals';
import { givenAdministrator, givenOrganization, unique } from '../support/given.js';
import { useServer } from '../support/server.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

race('what is listed many times at once is told once of each organization', async () => {
  const name = unique('listed');
  for (let index = 0; index < 5; index += 1) await givenOrganization(server, name);
  for (let round = 0; round < 10; round += 1) {
    const sam = await givenAdministrator(server);
    await Promise.all(
      ['ASC', 'DESC', 'ASC', 'DESC', 'ASC', 'DESC'].map((direction) =>
        sam(
          `{ organizations(filter: { search: "${name}" }, orderBy: { field: CREATED_AT, direction: ${direction} }) { nodes { id } } }`,
        ),
      ),
    );
    const { rows } = await server.database.pool.queryAsLoginRole(
      `select org_id from audit_entry where action = 'organization.seen' and actor_name = $1`,
      [sam.email.split('@')[0]],
    );
    expect([rows.length, new Set(rows.map(({ org_id: id }) => id as string)).size]).toEqual([5, 5]);
  }
});
