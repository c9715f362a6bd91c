import { expect, test } from '@jest/globals';
import { credential } from '../../src/domains/credential/index.js';
import { domains, listed } from '../../src/domains/index.js';
import { nodeDomain } from '../../src/domains/node/index.js';
import { permissionDomain } from '../../src/domains/permission/index.js';
import { completeDomains } from '../../src/resource/define-domain.js';

type Listed = (typeof listed)[number];

const isOther = (domain: Listed): domain is Exclude<Listed, typeof credential> => domain !== credential;
const others = [...listed.filter(isOther), nodeDomain(listed), permissionDomain(listed)] as const;

function without<T extends object, K extends keyof T>(whole: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = whole;
  return rest;
}

// The compiler refuses each, or this file does not compile; beside it stands what it says instead.
test('a list of domains MUST not compile while it lacks something', () => {
  const whole = completeDomains([...others, credential], true);
  expect(whole).toHaveLength(domains.length);

  const { access, record, resolvers } = credential;
  const unanswered = { ...credential, resolvers: { ...resolvers, Query: without(resolvers.Query, 'credentials') } };
  // @ts-expect-error a field that nobody answers
  completeDomains([...others, unanswered], true);
  completeDomains(
    [...others, unanswered],
    'Missing: Query.credentials: write a resolver; its parent holds nothing of this name and type (of an enum its column says "// one of" in the model)',
  );

  const open = { ...credential, access: { ...access, Mutation: without(access.Mutation, 'deleteCredential') } };
  // @ts-expect-error a field that nobody says a rule for
  completeDomains([...others, open], true);
  completeDomains([...others, open], 'Missing: Mutation.deleteCredential: say who may, in the access of its domain');

  const openType = { ...credential, access: without(access, 'Credential') };
  // @ts-expect-error a type that nobody says a rule for
  completeDomains([...others, openType], true);
  completeDomains([...others, openType], 'Missing: Credential: say who may, in the access of its domain');

  const unfound = without(credential, 'node');
  // @ts-expect-error what has an id that finds nothing
  completeDomains([...others, unfound], true);
  completeDomains([...others, unfound], 'Missing: Credential: implements Node; give its domain a node');

  const untold = { ...credential, record: { ...record, leaves: without(record.leaves, 'deleteCredential') } };
  // @ts-expect-error a mutation that leaves nobody knows what
  completeDomains([...others, untold], true);
  completeDomains(
    [...others, untold],
    'Missing: Mutation.deleteCredential: say which action it leaves, in the record of its domain (null of what changes nothing)',
  );

  const unexplained = { ...credential, record: { ...record, actions: without(record.actions, 'credential.deleted') } };
  // @ts-expect-error a word that nobody explains
  completeDomains([...others, unexplained], true);
  completeDomains(
    [...others, unexplained],
    'Missing: credential.deleted: say what it means, in the record of its domain',
  );
});
