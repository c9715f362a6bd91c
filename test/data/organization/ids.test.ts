import { beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '../../../src/data/id.js';
import { Ids } from '../../../src/data/organization/ids.js';
import type { OrganizationDb, RequestDb } from '../../../src/data/organization/organization-db.js';
import { ForbiddenOperationError } from '../../../src/data/organization/scope.js';
import { givenOrganization, unique } from '../../support/given.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer();

let db: RequestDb;
beforeAll(async () => {
  db = server.database.organizationDb((await givenOrganization(server)).id, byTest);
});

const listed = (ids: Ids): string[] => [...ids.parts(2)].flat();
const names = (count: number): string[] => Array.from({ length: count }, () => newId('rep'));

describe('ids', () => {
  test.each([0, 1, 2, 3, 7])('%d of them come back as they were, a few at a time', (count) => {
    const ids = names(count);
    for (const most of [1, 2, 3, 100]) {
      const parts = [...Ids.of(ids).parts(most)];
      expect(parts.flat()).toEqual(ids);
      expect(parts.map(({ length }) => length).slice(0, -1)).toEqual(parts.slice(1).map(() => most));
    }
    expect(Ids.of(ids).size).toBe(count);
    expect(listed(Ids.unpack(Ids.of(ids).packed))).toEqual(ids);
  });

  test('are added to others', () => {
    const [a, b] = [names(2), names(3)];
    expect(listed(Ids.of(a).and(Ids.of(b)))).toEqual([...a, ...b]);
    for (const sum of [Ids.of(a).and(Ids.none), Ids.none.and(Ids.of(a))]) expect(listed(sum)).toEqual(a);
  });
});

describe.each<[string, <T>(work: (of: OrganizationDb) => Promise<T>) => Promise<T>]>([
  ['outside a transaction', (work) => work(db)],
  ['inside a transaction', (work) => db.transaction(work)],
])('%s', (_, within) => {
  test('rows are found, counted, changed and deleted by ids, and by not being among them', async () => {
    const [branch, ids] = [unique('branch'), names(300)];
    const made = ids.map((id) => ({ id, name: id, branch, gitUrl: 'https://git.example/r' }));
    await within((of) => of.repository.createMany(made));
    const [few, most] = [Ids.of([...ids.slice(0, 3), newId('rep')]), Ids.of(ids.slice(2))];
    const countOf = (id: object) => within((of) => of.repository.count({ branch, id }));
    expect(await countOf({ in: few })).toBe(3);
    expect(await countOf({ notIn: few })).toBe(297);
    expect(await countOf({ in: few, notIn: most })).toBe(2);
    expect(await countOf({ in: Ids.none })).toBe(0);
    expect(await countOf({ notIn: Ids.none })).toBe(300);
    // What holds what separates ids is none, and takes no other apart.
    expect(await countOf({ in: Ids.of([ids.slice(0, 2).join('\n')]) })).toBe(0);
    expect(await countOf({ notIn: Ids.of(['', '\n', ids.join('\n')]) })).toBe(300);

    const found = await within((of) => of.repository.ids('id', { branch, id: { in: few } }));
    expect([found.size, listed(found).toSorted()]).toEqual([3, ids.slice(0, 3).toSorted()]);
    const nobody = await within((of) => of.repository.ids('id', { branch: unique('nothing') }));
    expect([nobody.size, listed(nobody)]).toEqual([0, []]);

    expect(await within((of) => of.repository.updateMany({ branch, id: { notIn: few } }, { description: 'x' }))).toBe(
      297,
    );
    expect(await within((of) => of.repository.delete({ branch, id: { in: few } }))).toBe(3);
    expect(await within((of) => of.repository.delete({ branch, id: { notIn: Ids.of(ids.slice(0, 299)) } }))).toBe(1);
    expect(await within((of) => of.repository.count({ branch, description: 'x' }))).toBe(296);
  });

  test('rows are made for each of many ids, and those of each parent read in order, up to a bound', async () => {
    const directoryId = newId('scm');
    const { userId: createdBy } = (await db.membership.find({ role: 'OWNER' })) ?? { userId: '' };
    const made = { name: directoryId, defaultRole: 'VIEWER', tokenHash: directoryId, tokenLastFour: '0000' } as const;
    await db.scimDirectory.create({ id: directoryId, createdBy, tokenMadeBy: createdBy, ...made });
    const groups = [newId('scg'), newId('scg'), newId('scg')] as const;
    for (const id of groups) await db.scimGroup.create({ id, directoryId, displayName: id });
    const users = Array.from({ length: 5 }, () => unique('u'));
    const person = { role: 'VIEWER', status: 'ACTIVE' } as const;
    await db.membership.createMany(
      users.map((n) => ({ userId: `usr_${n}`, email: `${n}@x.example`, name: n, ...person })),
    );
    await db.scimUser.createMany(users.map((n) => ({ id: `scu_${n}`, directoryId, userId: `usr_${n}`, userName: n })));
    const all = users.map((n) => `scu_${n}`).toSorted();
    const [both, one] = [Ids.of(all.toReversed()), Ids.of(all.slice(0, 1))];
    const [a, b, empty] = groups;
    expect(await within((of) => of.scimGroupMember.createEach('scimUserId', both, { groupId: a }))).toBe(5);
    expect(await within((of) => of.scimGroupMember.createEach('scimUserId', one, { groupId: b }))).toBe(1);
    expect(await within((of) => of.scimGroupMember.createEach('scimUserId', Ids.none, { groupId: b }))).toBe(0);
    const read = (atMost: number) =>
      within((of) => of.scimGroupMember.idsBy('groupId', 'scimUserId', { groupId: { in: [...groups] } }, atMost));
    const found = await read(6);
    expect(groups.map((group) => listed(found?.get(group) ?? Ids.none))).toEqual([all, all.slice(0, 1), []]);
    expect(found?.has(empty)).toBe(false);
    expect(await read(5)).toBeNull();
    const unknown = within((of) => of.scimGroupMember.createEach('scimUserId', Ids.of(['scu_x']), { groupId: a }));
    await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each<[string, (of: OrganizationDb) => Promise<unknown>]>([
    ['what only looks like ids', (of) => of.repository.count({ id: { in: { text: 'x', size: 1 } as never } })],
    ['nor by their class', (of) => of.repository.count({ id: { in: Object.create(Ids.prototype) as Ids } })],
    ['a list that is not to be', (of) => of.repository.count({ id: { notIn: ['x'] as never } })],
    ['ids that are compared otherwise', (of) => of.repository.count({ id: { gt: Ids.of(['x']) } as never })],
    ['ids in the place of a value', (of) => of.repository.delete({ id: Ids.of(['x']) as never })],
    ['nothing to compare with', (of) => of.repository.delete({ id: {} })],
    ['the field of the organization', (of) => of.repository.delete({ orgId: { in: Ids.of(['x']) } } as never)],
    ['the organization itself', (of) => of.organization.updateMany({ id: { in: Ids.of(['x']) } }, { name: 'x' })],
    ['what others are', (of) => of.organization.updateMany({ id: { notIn: Ids.of(['x']) } }, { name: 'x' })],
    ['whose the rows are', (of) => of.repository.ids('orgId' as never, {})],
    ['a field there is not', (of) => of.repository.ids('organization' as never, {})],
    ['parents by organization', (of) => of.repository.idsBy('orgId' as never, 'id', {}, 5)],
    ['rows of others', (of) => of.scimGroupMember.createEach('orgId' as never, Ids.of(['x']), {} as never)],
    ['rows for each organization', (of) => of.organization.createEach('id', Ids.of(['x']), {} as never)],
  ])('wall 1 refuses %s', async (_name, ask) => {
    const before = server.statements.length;
    await expect(within(async (of) => ask(of))).rejects.toThrow(ForbiddenOperationError);
    expect(
      server.statements.slice(before).filter(({ text }) => /repository|scim_group|organization/.test(text)),
    ).toEqual([]);
  });
});
