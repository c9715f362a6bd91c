import { expect, test } from '@jest/globals';
import type { Turn } from '../../../src/data/connection/turns.js';
import { givenOrganization } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { givenDirectory } from '../../support/scim.js';
import { isPostgres, useServer } from '../../support/server.js';

const server = useServer({ poolSize: 10 });

const group = (displayName: string) => ({ displayName, filler: 'x'.repeat(300_000) });

// On one connection, whoever holds it keeps everyone waiting.
(isPostgres ? test : test.skip)(
  'a large body that waits for its organization’s transaction keeps none of others waiting',
  async () => {
    const { turns } = server.database.pool;
    const [acme, globex, initech] = [
      await givenOrganization(server),
      await givenOrganization(server),
      await givenOrganization(server),
    ];
    const waiting = [];
    const held: Turn[] = [];
    for (const organization of [acme, globex]) {
      const directory = await givenDirectory(server, organization);
      held.push(await turns.take(organization.id, turns.transactionOf('something else')));
      waiting.push(directory('POST', '/Groups', group('Waits')));
    }
    const directory = await givenDirectory(server, initech);
    await eventually(() => turns.waiting === 2 || undefined);
    expect((await directory('POST', '/Groups', group('Goes on'))).status).toBe(201);
    expect(turns.waiting).toBe(2);
    for (const turn of held) turn.end();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201]);
  },
);
