import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type GraphQLInputType, isInputObjectType, isNamedType, isObjectType } from 'graphql';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenOrganization, unique } from '../support/given.js';
import { never } from '../support/isolation.js';
import { unchecked, useServer } from '../support/server.js';

const server = useServer({ env: { LOG_LEVEL: 'trace' } });

/** What every secret begins with that is sent here. */
const SENTINEL = `sentinel_${randomUUID().replaceAll('-', '_')}`;

/** Where the contract takes a secret, and what is sent there: with the secret, as GraphQL writes it, in its place. */
const TAKEN: Readonly<Record<string, (secret: string) => string>> = {
  'CreateCredentialInput.secret': (secret) =>
    `createCredential(input: { kind: GIT, name: "${unique('x')}", provider: "x", secret: ${secret} }) { id config lastFour }`,
  'Mutation.replaceCredentialSecret.secret': (secret) =>
    `replaceCredentialSecret(id: "${never('crd')()}", secret: ${secret}) { id lastFour }`,
  'CreateOidcProviderInput.clientSecret': (secret) =>
    `createOidcProvider(input: { name: "x", issuer: "https://id.example", clientId: "x", clientSecret: ${secret} }) { id }`,
  'UpdateIdentityProviderInput.clientSecret': (secret) =>
    `updateIdentityProvider(input: { id: "${never('idp')()}", clientSecret: ${secret} }) { id }`,
  ...Object.fromEntries(
    (['acceptInvitation', 'declineInvitation', 'requestNewInvitation'] as const).map((name) => [
      `Mutation.${name}.secret`,
      (secret: string) => `${name}(secret: ${secret}) { outcome }`,
    ]),
  ),
};

test('every secret that the contract takes MUST be tried here', () => {
  const isText = (type: GraphQLInputType): boolean => isNamedType(type) || isNamedType(type.ofType);
  const taken = Object.values(createContract().schema.getTypeMap()).flatMap((type) => {
    if (isInputObjectType(type)) {
      return Object.values(type.getFields()).flatMap((field) =>
        /secret$/i.test(field.name) && isText(field.type) ? [`${type.name}.${field.name}`] : [],
      );
    }
    if (!isObjectType(type)) return [];
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.flatMap(({ name }) => (/secret$/i.test(name) ? [`${type.name}.${field.name}.${name}`] : [])),
    );
  });
  expect(Object.keys(TAKEN).toSorted()).toEqual(taken.toSorted());
});

describe('A secret MUST NOT be answered, logged, counted or stored, whatever is wrong with it', () => {
  /** Good, of a wrong type, unreadable, too long, and not text. */
  const written = (secret: string): string[] => [
    `"${secret}"`,
    `"""${secret}"""`,
    `["${secret}"]`,
    `{ x: "${secret}" }`,
    secret,
    `"${secret}`,
    `"${secret}\\q"`,
    `"${secret}\\u0007"`,
    `"${secret}${'x'.repeat(20_000)}"`,
  ];
  const given = (secret: string): unknown[] => [
    secret,
    [secret],
    { x: secret },
    `${secret}\0`,
    `${secret}\ud800`,
    `${secret}${'x'.repeat(20_000)}`,
  ];

  test.each(Object.entries(TAKEN))('%s', async (_, write) => {
    const sentinel = `${SENTINEL}_${randomUUID().replaceAll('-', '_')}`;
    const acme = await givenOrganization(server);
    const answers: string[] = [];
    for (const client of [acme.owner, acme.viewer]) {
      for (const secret of written(sentinel)) {
        answers.push((await client(unchecked(`mutation { ${write(secret)} }`))).text);
      }
      for (const secret of given(sentinel)) {
        answers.push((await client(unchecked(`mutation ($secret: String!) { ${write('$secret')} }`), { secret })).text);
      }
    }
    const cut = await server.post(`{"query":"mutation { ${write(`\\"${sentinel}`)}`, {
      authorization: `Bearer ${acme.owner.token}`,
    });
    answers.push(cut.text, server.logs.join(''), await server.metrics.registry.metrics());
    expect(server.logs.length).toBeGreaterThan(0);
    for (const text of answers) expect(text).not.toContain(sentinel);
  });

  // Once for all that was sent: every row of every table takes a while where other tests were in the database before.
  test('no table has any of them', async () => {
    const { rows: tables } = await server.database.pool.queryAsLoginRole(
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
    );
    expect(tables.length).toBeGreaterThan(0);
    for (const { name } of tables) {
      const { rows } = await server.database.pool.queryAsLoginRole(
        `select t from "${name}" t where position($1 in to_jsonb(t)::text) > 0`,
        [SENTINEL],
      );
      expect([name, rows]).toEqual([name, []]);
    }
  });
});
