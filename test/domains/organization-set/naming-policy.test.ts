import { expect, test } from '@jest/globals';
import { candidatesFor, problemsOf } from '../../../src/domains/organization/naming.js';
import { unique } from '../../support/given.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer({ env: { REGION: 'useast', NAMING_POLICY: 'regional' } });

const CHECK = `query ($input: CheckOrganizationNamesInput!) { checkOrganizationNames(input: $input) {
  slug length limit problems suggestion } }`;
const CREATE_SET = `mutation ($input: CreateOrganizationSetInput!) { createOrganizationSet(input: $input) { organizations { slug } } }`;
const CREATE = 'mutation ($slug: String!) { createOrganization(input: { name: "x", slug: $slug }) { slug } }';

const letters = (): string =>
  unique('q')
    .replaceAll(/[^a-z]/g, '')
    .padEnd(3, 'z')
    .slice(0, 6);
const ALL = ['PROD', 'STAGING', 'DEV', 'QA', 'PILOT', 'PERF'];
const fits = /^(?=.{4,20}$)[a-z]+(-[a-z]+)*$/;

const suggestedIn = ({ errors }: Answer) =>
  (errors[0]?.extensions['names'] ?? []) as { slug: string; suggestion: string }[];

test('a name that does not fit is refused with its length, and one that fits and is free', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const slug = unique('acme-women-a-useast-staging');
  const refused = await maker(CREATE, { slug });
  expect(codeOf(refused)).toBe('BAD_USER_INPUT');
  const names = suggestedIn(refused);
  expect(refused.errors[0]?.extensions['argument']).toBe('input.slug');
  expect(names).toEqual([expect.objectContaining({ slug, length: slug.length, limit: 20 })]);
  const [first] = names;
  expect(first?.suggestion).toMatch(fits);
  expect((await maker(CREATE, { slug: first?.suggestion })).errors).toEqual([]);
  // It is taken now, so the next is another.
  const again = await maker(CREATE, { slug });
  const [other] = suggestedIn(again);
  expect(other?.suggestion).toMatch(fits);
  expect(other?.suggestion).not.toBe(first?.suggestion);
  const renamed = await maker(
    'mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { slug } }',
    { slug },
    { 'x-organization-id': String(first?.suggestion) },
  );
  expect(codeOf(renamed)).toBe('BAD_USER_INPUT');
});

test('of a whole set each has one that fits, is free and unlike the others; before any row', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const base = `acme${letters()}`;
  const input = { base, project: 'women-a2', regions: ['useast', 'eucentral', 'apsoutheast'], environments: ALL };
  const { data } = await maker(CHECK, { input });
  const checks = data.checkOrganizationNames ?? [];
  expect(checks).toHaveLength(18);
  const suggested = checks.map(({ suggestion }) => suggestion);
  for (const suggestion of suggested) expect(suggestion).toMatch(fits);
  expect(new Set(suggested).size).toBe(18);
  const refused = await maker(CREATE_SET, { input: { ...input, name: 'Acme' } });
  expect(codeOf(refused)).toBe('BAD_USER_INPUT');
  expect(refused.errors[0]?.extensions['names']).toHaveLength(18);
  const { rows } = await server.database.pool.queryAsLoginRole('select from organization_set where base = $1', [base]);
  expect(rows).toEqual([]);
});

test('what fits is made: of 4 to 20 letters and hyphens', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const input = { name: 'A', base: letters(), project: 'w', regions: ['useast'], environments: ['QA'] };
  expect((await maker(CREATE_SET, { input })).errors).toEqual([]);
});

test.each([
  ['acme-women-a-useast', 0],
  ['acme-men-b-eucentral', 0],
  ['acme-trials-apsoutheast', 1],
  ['acme2', 1],
  ['abc', 1],
])('%s has so many problems under the policy: %i', (slug, count) => {
  expect(problemsOf(slug, 'regional')).toHaveLength(count);
  expect(problemsOf(slug, 'any')).toEqual([]);
});

test.each(['12a', 'x-1', '1-2', '2024', '2024-11', 'acme2', '9'.repeat(63)])(
  'of %s, whose letters are too few, one is suggested all the same that fits and is free',
  async (slug) => {
    const maker = await server.as(`${unique('maker')}@acme.example`);
    const suggestions = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      const [first] = suggestedIn(await maker(CREATE, { slug }));
      expect(first?.suggestion).toMatch(fits);
      suggestions.add(String(first?.suggestion));
      expect((await maker(CREATE, { slug: first?.suggestion })).errors).toEqual([]);
    }
    expect(suggestions.size).toBe(3);
  },
);

test('there are more to suggest than letters, whatever is left of a name', () => {
  for (const slug of ['2024', 'a12', 'acme2']) {
    const candidates = candidatesFor({ head: slug, tails: [] }, 'regional');
    expect(candidates.length).toBeGreaterThan(50);
    for (const each of candidates) expect(each).toMatch(fits);
  }
});

test('what is far too long is told by its form, and not given back', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const { errors, text } = await maker(CREATE, { slug: 'q'.repeat(100_000) });
  expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.slug' });
  expect(text.length).toBeLessThan(1000);
});

test('all that speaks against a name is told at once, of its form and of the policy, where it is made and renamed', async () => {
  const maker = await server.as(`${unique('maker')}@acme.example`);
  const slug = `Acme_${'9'.repeat(20)}`;
  const made = await maker(CREATE, { slug: `q${letters()}${letters()}` });
  const inside = { 'x-organization-id': made.data.createOrganization?.slug ?? '' };
  const RENAME = 'mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { slug } }';
  for (const refused of [await maker(CREATE, { slug }), await maker(RENAME, { slug }, inside)]) {
    expect(codeOf(refused)).toBe('BAD_USER_INPUT');
    expect(refused.errors[0]?.extensions).toMatchObject({
      argument: 'input.slug',
      names: [
        {
          slug,
          problems: [
            'Lower-case letters, digits and hyphens only.',
            '4 to 20 characters, and this has 25.',
            'Letters and hyphens only.',
          ],
          suggestion: expect.stringMatching(fits),
        },
      ],
    });
  }
});

test('a suggestion keeps of the name what it can', () => {
  expect(candidatesFor({ head: 'acme-trials', tails: ['apsoutheast'] }, 'regional')[0]).toBe('acme-tri-apsoutheast');
  expect(candidatesFor({ head: 'acme-women-a', tails: ['useast', 'staging'] }, 'regional')[0]).toBe(
    'acme-useast-staging',
  );
});
