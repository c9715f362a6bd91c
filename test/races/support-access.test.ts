import { expect } from '@jest/globals';
import { givenOrganization, personId } from '../support/given.js';
import { givenGrant, givenImpersonation, START } from '../support/impersonation.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = async (text: string, values: unknown[]) => (await server.database.pool.queryAsLoginRole(text, values)).rows;
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));
const REVOKE = 'mutation ($id: ID!) { revokeSupportAccess(id: $id) { id } }';
const DESCRIBE = 'mutation ($description: String) { updateOrganization(input: { description: $description }) { id } }';
const ACCESS = `mutation ($access: SupportAccess!) {
  updateOrganization(input: { settings: { support: { access: $access } } }) { id } }`;

race(
  'of fifty changes under way while a grant is revoked none is made after it, and each was told before',
  async () => {
    for (let round = 0; round < 3; round += 1) {
      const acme = await givenOrganization(server);
      const grant = await givenGrant(acme, 'WRITE');
      const { acting, samId, userId } = await givenImpersonation(server, acme, { as: 'admin' });
      const change = (index: number) => acting(DESCRIBE, { description: `change ${index}` });
      const first = Array.from({ length: 25 }, (_, index) => change(index));
      await Promise.race(first);
      const revoked = acme.owner(REVOKE, { id: grant });
      const second = Array.from({ length: 25 }, (_, index) => change(25 + index));
      expect(outcome(await revoked)).toBe('done');
      const after = await Promise.all(Array.from({ length: 5 }, (_, index) => change(50 + index)));
      expect(after.map(outcome)).toEqual(Array(5).fill('READ_ONLY'));
      const outcomes = (await Promise.all([...first, ...second])).map(outcome);
      expect(outcomes.filter((each) => each !== 'done' && each !== 'READ_ONLY')).toEqual([]);
      const entries = await sql(
        `select action, number::float8 as number, request_id as request from audit_entry
       where org_id = $1 and (on_behalf_of = $2 and actor_id = $3 or action = 'support_access_grant.revoked') order by number`,
        [acme.id, userId, samId],
      );
      const told = new Map(
        entries.filter(({ action }) => action === 'impersonation.mutation').map((each) => [each.request, each.number]),
      );
      const changes = entries.filter(({ action }) => action === 'organization.updated');
      const [end] = entries.filter(({ action }) => action === 'support_access_grant.revoked');
      expect(changes.length).toBe(outcomes.filter((each) => each === 'done').length);
      for (const { number, request } of changes) {
        expect(told.get(request)).toBeLessThan(number as number);
        expect(number).toBeLessThan(end?.number as number);
      }
      expect(told.size).toBe(55);
    }
  },
);

race(
  'of who comes in and who lets nobody in the first is first, and in the end nobody is in, in either order',
  async () => {
    for (const isDenialFirst of [true, false]) {
      const acme = await givenOrganization(server);
      const { sam } = await givenImpersonation(server, acme);
      const input = { organizationId: acme.id, userId: await personId(acme.viewer), reason: 'ticket 42: runs stay' };
      const steps = [() => acme.owner(ACCESS, { access: 'DENIED' }), () => sam(START, { input })];
      const answers = await inOrder<Answer>(organizationRow(acme.id), isDenialFirst ? steps : steps.toReversed());
      expect(answers.map(outcome)).toEqual(isDenialFirst ? ['done', 'FORBIDDEN'] : ['done', 'done']);
      const open = await sql('select from impersonation where org_id = $1 and ended_at is null', [acme.id]);
      expect(open).toEqual([]);
    }
  },
);
