import { rootCertificates } from 'node:tls';
import { createWorld } from '../world/database.mjs';
import { ISSUER } from '../world/issuer.mjs';
import { OPERATIONS } from '../world/operations.mjs';
import { ATTACKED_PROVIDER } from './attacks.mjs';

export const DATABASE = 'orgate_bench_attack';

/** As much as a run's input may hold, nearly. */
const INPUT_CHARACTERS = 65_000;

/**
 * One organization that works, and others whose every member is a VIEWER but the one who made it; these have a hundred runs
 * with inputs as large as they may be, and one of them a SAML provider.
 *
 * @param {import('./settings.mjs').AttackSettings} settings
 */
export async function createAttackedWorld(settings) {
  const world = await createWorld(settings, DATABASE, 0);
  const { owner } = world;
  await owner.query(
    `insert into identity (issuer, subject, person_id) select $1, email, id from person on conflict do nothing`,
    [ISSUER],
  );
  await owner.query(
    `update membership set role = 'VIEWER' where role = 'DEVELOPER' and org_id <> (select min(id) from organization)`,
  );
  await owner.query(
    `update run set input = jsonb_build_object('text', repeat('x', $1))
     from (select org_id, id, row_number() over (partition by org_id order by id desc) as place from run) as latest
     where run.org_id = latest.org_id and run.id = latest.id and place <= 100
       and run.org_id <> (select min(id) from organization)`,
    [INPUT_CHARACTERS],
  );
  await owner.query(
    `insert into identity_provider (org_id, id, name, kind, issuer, sign_in_url, certificates, default_role)
     select max(id), $1, 'Attacked', 'SAML', 'https://idp.example/saml', 'https://idp.example/sso', array[$2], 'VIEWER' from organization`,
    [ATTACKED_PROVIDER, rootCertificates[0].replaceAll(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '')],
  );
  await owner.query('vacuum analyze');
  return world;
}

/** Tokens of those who attack, and the requests of those who work: each an ordinary operation of one of five people. */
export async function signIn({ owner }, issuer) {
  const { rows } = await owner.query(
    `select m.org_id as "orgId", m.email, m.role, m.org_id = (select min(id) from organization) as works,
            array(select id from repository r where r.org_id = m.org_id order by name) as "repositoryIds"
     from membership m order by m.org_id, m.email`,
  );
  const signed = [];
  for (const row of rows) signed.push({ ...row, token: await issuer.sign(row.email, row.orgId) });
  return {
    viewers: signed.filter(({ works, role }) => !works && role === 'VIEWER').map(({ token }) => token),
    requests: signed.filter(({ works }) => works).flatMap(ordinaryRequests),
  };
}

const UPDATE = {
  name: 'update',
  share: 10,
  query: 'mutation Update($id: ID!, $text: String) { updateRepository(input: { id: $id, description: $text }) { id } }',
  variables: ({ repositoryId }) => ({ id: repositoryId, text: `Changed ${repositoryId}.` }),
};

/** In the shares of the benchmark's mixed load, but that what it creates is changed here: an organization has an end. */
function ordinaryRequests({ token, repositoryIds }) {
  const kinds = [
    ...OPERATIONS.filter(({ name }) => name !== 'create').map(({ share, name, orgate }) => ({
      share,
      name,
      ...orgate,
    })),
    UPDATE,
  ];
  return kinds.flatMap(({ name, share, query, variables }) =>
    Array.from({ length: share / 5 }, (_, index) => ({
      name,
      token,
      body: JSON.stringify({
        query,
        variables: variables({ repositoryId: repositoryIds[index % repositoryIds.length], cursor: undefined }),
      }),
    })),
  );
}
