import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import type { CredentialComparison } from '../../generated/graphql.js';
import { type DataKeys, type KeptDataKey, SEAL } from '../../secrets/organization-seal.js';

/** As many as an organization has. */
export const MAX_CREDENTIALS = 500;

type Credential = Row<'Credential'>;

/**
 * Which credentials two organizations have, and whether those of one name hold the same secret. Each is opened in its own organization,
 * and told apart by a digest under a key that nobody has before or after.
 */
export async function compareCredentials(a: RequestContext, b: RequestContext): Promise<CredentialComparison[]> {
  const [inA, inB] = await Promise.all([credentialsOf(a), credentialsOf(b)]);
  const names = [...new Set([...inA.keys(), ...inB.keys()])].toSorted();
  const key = randomBytes(32);
  const [digestA, digestB] = [digesting(a, key), digesting(b, key)];
  const compared: CredentialComparison[] = [];
  for (const name of names) {
    const [one, other] = [inA.get(name), inB.get(name)];
    if (!one || !other) compared.push({ name, result: one ? 'ONLY_IN_A' : 'ONLY_IN_B' });
    else {
      const isAlike = one.kind === other.kind && one.provider === other.provider;
      const isSame = isAlike && timingSafeEqual(await digestA(one), await digestB(other));
      compared.push({ name, result: isSame ? 'SAME' : 'DIFFERENT' });
    }
  }
  return compared;
}

async function credentialsOf({ db }: RequestContext): Promise<Map<string, Credential>> {
  const rows = await db.credential.list({ orderBy: { name: 'asc' }, take: MAX_CREDENTIALS });
  return new Map(rows.map((row) => [row.name, row]));
}

/** Opens what an organization keeps, reading each of its keys once. */
function digesting({ db, use, organization: { orgId } }: RequestContext, key: Buffer) {
  const kept = new Map<string, Promise<KeptDataKey | null>>();
  const keys: DataKeys = {
    dataKey: {
      find: ({ id }) => {
        const found = kept.get(id) ?? db.dataKey.find({ id });
        kept.set(id, found);
        return found;
      },
      list: (query) => db.dataKey.list(query),
      create: (row) => db.dataKey.create(row),
    },
  };
  return async ({ id, secret }: Credential): Promise<Buffer> =>
    createHmac('sha256', key)
      .update(await use(SEAL).open(keys, secret, { orgId, table: 'credential', id }))
      .digest();
}
