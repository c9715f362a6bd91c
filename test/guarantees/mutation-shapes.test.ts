import { describe, expect, test } from '@jest/globals';
import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLObjectType,
  isInputObjectType,
  isNonNullType,
  isObjectType,
  isScalarType,
} from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';

// The rule stands in the description of `type Mutation`, for whoever writes a client.

const { schema } = createContract();

const mutations = Object.values((schema.getMutationType() as GraphQLObjectType).getFields());

/** What breaks the rule, and why it may. */
const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'takes one input to create or update': {
    updateMemberRole: 'one thing of a member, as suspending is: members are named by `userId` throughout',
    updateMemberPermissions: 'one thing of a member, as suspending is: members are named by `userId` throughout',
  },
  'names first what it acts on': {
    addDomain: 'a domain is nothing but its name',
    requestOrganizationDeletion: 'it acts on the current organization, and takes its slug so that it is no other',
    setDefaultOrganization: 'none is a default, too',
    promoteSettings:
      'it acts on the settings of the current organization, which have no id; the one that it names is read',
    extendOrganizationSet: 'it acts on the set of the current organization, and takes what makes new ones',
    rollbackSettings: 'it acts on the settings of the current organization, whose versions have a number and no id',
    registerExecutor: 'a machine is registered, as it is there already, and revoked, not deleted',
    decideApproval: 'what is said is bound to what was seen, so it takes an input with the id of what it is said of',
    claimRuns: 'it takes what waits, and is told which that is',
    resolveProvider: 'it acts on the run of the claim whose token asks, which is one',
    reportProviderHealth: 'a provider has a name and no id, and is whatever its credentials say',
    setEntitlements:
      'an update of what an organization has, by whom it has not: it takes an input as updates do, with the id in it',
    setCostLimits: 'it acts on what the current organization may spend, which has no id',
    redeliver: 'it acts on a delivery, which attempts name; it is no object of its own',
    markNotificationsRead: 'it names many at once, by `ids`',
    setNotificationPreferences: 'it acts on what the viewer wants to be told of, which has no id',
    setScimGroupRole:
      'an update of the one thing of a group that can be changed here, so it takes an input as updates do',
  },
  'has an input of its own': {
    recordRunProgress: 'what executors report is a thing by itself, beside the id of the run',
    recordUsageBatch: 'many of what recordUsage takes one of',
  },
  'answers the object': {
    acceptInvitation: 'whoever answers may not see the invitation: what came of it is told them for reading',
    declineInvitation: 'whoever answers may not see the invitation: what came of it is told them for reading',
    requestNewInvitation: 'whoever answers may not see the invitation: what came of it is told them for reading',
    exportOrganization: 'the link is for whoever made it, and no query gives it once more',
    exportAudit: 'the link is for whoever made it, and no query gives it once more',
    exportUsage: 'the link is for whoever made it, and no query gives it once more',
    signOut: 'nobody sees a session that is over; whether there was one is all there is to say',
    signOutEverywhere: 'nobody sees sessions that are over; how many there were is all there is to say',
  },
  'answers the id of what is gone': {
    removeDomain: 'as it was added, and not created, it is removed, and not deleted',
    revokeSession: 'it takes access away; the session stands in no list any more',
  },
};

/** Those that break a rule and have no reason to, or have one and do not. */
function offenders(rule: string, breaks: (mutation: (typeof mutations)[number]) => boolean): string[] {
  const excepted = EXCEPTIONS[rule] ?? {};
  return mutations.filter((each) => breaks(each) !== each.name in excepted).map(({ name }) => name);
}

const WRITES = /^(create|update)(?=[A-Z])/;
const NAMES = new Set(['id', 'userId', 'organizationId', 'accountId', 'secret', 'slug']);

const isInput = ({ name, type }: GraphQLArgument): boolean =>
  name === 'input' && isNonNullType(type) && isInputObjectType(getNamedType(type));
const takesOneInput = (args: readonly GraphQLArgument[]): boolean => args.length === 1 && args.every(isInput);
const namesFirst = ([first]: readonly GraphQLArgument[]): boolean =>
  first !== undefined && NAMES.has(first.name) && isNonNullType(first.type);

/** Types that queries lead to, too. */
const readable = new Set(
  Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && type !== schema.getMutationType() && !type.name.endsWith('Payload'))
    .flatMap((type) =>
      Object.values((type as GraphQLObjectType).getFields()).map(({ type: of }) => getNamedType(of).name),
    ),
);

describe('What a mutation takes', () => {
  test('what creates or updates MUST take one input', () => {
    const rule = 'takes one input to create or update';
    expect(offenders(rule, ({ name, args }) => WRITES.test(name) && !takesOneInput(args))).toEqual([]);
  });

  test('every other MUST take one input that makes something new, name first what it acts on, or take nothing', () => {
    const makes = /^(start|invite|export|grant|record|correct)(?=[A-Z])/;
    const isOfOneKind = ({ name, args }: (typeof mutations)[number]): boolean =>
      WRITES.test(name) || args.length === 0 || namesFirst(args) || (makes.test(name) && takesOneInput(args));
    expect(offenders('names first what it acts on', (each) => !isOfOneKind(each))).toEqual([]);
  });

  test('an input MUST be called `input`, and be of the mutation alone that it is named after', () => {
    const breaks = ({ name, args }: (typeof mutations)[number]): boolean =>
      args.some((each) => {
        const type = getNamedType(each.type);
        const own = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}Input`;
        return isInputObjectType(type) && !(isInput(each) && type.name === own);
      });
    expect(offenders('has an input of its own', breaks)).toEqual([]);
  });

  test('an update MUST have the id of what changes, required, and nothing else that is required', () => {
    const required = mutations.flatMap(({ name, args }) => {
      const type = name.startsWith('update')
        ? args.map((each) => getNamedType(each.type)).find(isInputObjectType)
        : null;
      if (!type) return [];
      const fields = Object.values(type.getFields()).filter((field) => isNonNullType(field.type));
      return [`${name} ${fields.map((field) => field.name).join(' ')}`.trim()];
    });
    expect(required.length).toBeGreaterThan(4);
    // The current organization is the only thing that a request has named before; what was agreed with one has no id of its own.
    expect(required.filter((each) => !/^\w+ id$/.test(each))).toEqual([
      'updateOrganization',
      'updateSubscription organizationId',
    ]);
  });
});

describe('What a mutation answers', () => {
  test('every answer MUST be nullable: a mutation that is refused takes no other with it', () => {
    expect(mutations.filter(({ type }) => isNonNullType(type)).map(({ name }) => name)).toEqual([]);
  });

  test('it MUST be an object that queries lead to, or a Payload with such an object in it, or an id', () => {
    const breaks = ({ type }: (typeof mutations)[number]): boolean => {
      const answer = getNamedType(type);
      if (isScalarType(answer)) return answer.name !== 'ID';
      if (!answer.name.endsWith('Payload')) return !readable.has(answer.name);
      const parts = Object.values((answer as GraphQLObjectType).getFields());
      return !parts.some((part) => isObjectType(getNamedType(part.type)) && isNonNullType(part.type));
    };
    expect(offenders('answers the object', breaks)).toEqual([]);
  });

  test('what deletes MUST take the id alone and answer it, and nothing else answers an id', () => {
    const answersId = ({ type }: (typeof mutations)[number]): boolean => getNamedType(type).name === 'ID';
    const deletes = mutations.filter(({ name }) => name.startsWith('delete'));
    expect(deletes.map(({ args }) => args.map(({ name, type }) => `${name}: ${String(type)}`))).toEqual(
      deletes.map(() => ['id: ID!']),
    );
    const breaks = (each: (typeof mutations)[number]): boolean => answersId(each) !== each.name.startsWith('delete');
    expect(offenders('answers the id of what is gone', breaks)).toEqual([]);
  });
});

test('an exception MUST be of a mutation that there is', () => {
  const names = new Set(mutations.map(({ name }) => name));
  const excepted = Object.values(EXCEPTIONS).flatMap((each) => Object.keys(each));
  expect(excepted.filter((name) => !names.has(name))).toEqual([]);
});
