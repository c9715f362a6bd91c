import { hostname, userInfo } from 'node:os';
import { ConfigError, readOwnerStore } from '../config/config.js';
import { asOwner } from '../data/start/as-owner.js';
import { identityIssuer } from '../domains/identity-provider/provision-from-provider.js';
import {
  grantSystemAdmin,
  listSystemAdmins,
  type NamedPerson,
  revokeSystemAdmin,
  type SystemAdmin,
} from '../identity/system-admins.js';
import { asError, codeOf } from '../thrown.js';
import { readArguments, refuseArguments } from './read-arguments.js';

const USAGE = `usage: npm run system-admin -- list [--json] | grant <who> --reason <why> | revoke <who> --reason <why>

  <who>  --id <usr_…>, or --provider <id of SIGN_IN_PROVIDERS> --subject <subject>,
         or --issuer <issuer of AUTH_ISSUERS> --subject <subject>

Makes people SYSTEM_ADMIN, or no longer, from their next request on, as the owner of the database: MIGRATION_DATABASE_URL, where
that is not set DATABASE_URL, or the embedded database, whose server is to be stopped first.`;

/** Who may administer the deployment is for whoever holds its database, and is written down there. */
async function main(): Promise<void> {
  const { positionals, values } = readArguments(USAGE, {
    allowPositionals: true,
    options: {
      id: { type: 'string' },
      provider: { type: 'string' },
      issuer: { type: 'string' },
      subject: { type: 'string' },
      reason: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [act, ...rest] = positionals;
  if (rest.length > 0) refuseArguments(`${rest[0]} is too much`);
  if (act === 'list') {
    const admins = await asOwner(readOwnerStore(), listSystemAdmins);
    return console.log(values.json ? JSON.stringify(admins, null, 2) : table(admins));
  }
  if (act !== 'grant' && act !== 'revoke') refuseArguments('Say list, grant or revoke');
  const named = whoOf(values);
  const reason = values.reason?.trim();
  if (!reason || reason.length > 500) refuseArguments('--reason is needed, 500 characters at the most');
  const change = act === 'grant' ? grantSystemAdmin : revokeSystemAdmin;
  const by = `${userName()}@${hostname()}`;
  const { name, email, id } = await asOwner(readOwnerStore(), (client) => change(client, named, { by, reason }));
  console.log(`${name} <${email}>, ${id}, is ${act === 'grant' ? 'SYSTEM_ADMIN now' : 'SYSTEM_ADMIN no longer'}.`);
}

/** In a container a user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}

function whoOf(values: {
  readonly id?: string | undefined;
  readonly provider?: string | undefined;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
}): NamedPerson {
  const { id, provider, subject } = values;
  const issuer = provider === undefined ? values.issuer : identityIssuer(provider);
  const isOne = [id, provider, values.issuer].filter((each) => each !== undefined).length === 1;
  if (!isOne) return refuseArguments('Say who by one of --id, --provider and --issuer');
  if (id !== undefined) return subject === undefined ? { id } : refuseArguments('--subject is not for --id');
  if (issuer === undefined || subject === undefined) return refuseArguments('--subject is needed, too');
  // Whoever runs it could sign in as anyone there; its sessions have no system role anyway.
  if (issuer.startsWith(identityIssuer('idp_'))) {
    return refuseArguments('A provider of an organization speaks for that organization only');
  }
  return { issuer, subject };
}

function table(admins: readonly SystemAdmin[]): string {
  if (admins.length === 0) return 'Nobody is SYSTEM_ADMIN, or was.';
  const day = (at: Date | string): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  return admins
    .flatMap(({ personId, name, email, grant, revocation }) => [
      `${revocation ? 'was  ' : 'is   '}${name} <${email}>  ${personId}`,
      grant ? `       granted ${day(grant.at)} by ${grant.by}: ${grant.reason}` : '       granted by other means',
      ...(revocation ? [`       revoked ${day(revocation.at)} by ${revocation.by}: ${revocation.reason}`] : []),
    ])
    .join('\n');
}

/** What the database says where it is another's, or of another release. */
const HINTS: Readonly<Record<string, string>> = {
  '42501': 'This login does not own the database. Give its owner in MIGRATION_DATABASE_URL.',
  '55P03': 'The record is being read by something that takes long, such as a backup. Try again when that is over.',
  '42P01': 'The database is not of this release. Run npm run migrate, or start a server that is given the owner.',
};

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : (HINTS[codeOf(error)] ?? asError(error).message));
  process.exit(1);
});
