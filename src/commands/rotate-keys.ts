import { readConfig } from '../config/config.js';
import { clientSecretsOf } from '../domains/identity-provider/index.js';
import { createMetrics } from '../gateway/http/metrics.js';
import { type Rotation, rotateSecretKeys } from '../jobs/rotate-secret-keys.js';
import { sealedMailOf } from '../mail/outbox.js';
import { openConfiguredDatabase } from '../open-database.js';
import { createOrganizationSeal } from '../secrets/organization-seal.js';
import { openSeal } from '../secrets/seal.js';
import { asError } from '../thrown.js';
import { readArguments } from './read-arguments.js';

const USAGE = `usage: npm run rotate-keys [-- --json]

  --json   for machines, in place of sentences

Seals under the first key of ORGATE_SECRET_KEY what is sealed under those behind it, while the gateway serves, and says when they may
go. Begun again, it goes on where it was. Ends with 0 when nothing needs the other keys, else with 1.`;

async function main(): Promise<void> {
  const { values } = readArguments(USAGE, { options: { json: { type: 'boolean', default: false } } });
  const config = readConfig();
  const secretKeys = await openSeal(config.secretKeys, config.dataDirectory);
  const database = await openConfiguredDatabase(config, createMetrics());
  try {
    const rotation = await rotateSecretKeys({
      database,
      secretKeys,
      seal: createOrganizationSeal(secretKeys),
      secrets: [clientSecretsOf, sealedMailOf],
    });
    const key = secretKeys.current;
    console.log(values.json ? JSON.stringify({ key, ...rotation }, null, 2) : told(rotation, key));
    if (rotation.lost.length > 0) process.exitCode = 1;
  } finally {
    await database.close();
  }
}

function told({ organizations, dataKeys, secrets, signingKeys, lost, signInsUntil }: Rotation, key: string): string {
  const moved =
    `Sealed under the key ${key} now: data keys of ${organizations} organizations, ${dataKeys} of them anew; ` +
    `${signingKeys} signing keys and ${secrets} secrets anew.`;
  if (lost.length > 0) {
    const shown = lost.slice(0, 20).map((what) => `  ${what}`);
    const more = lost.length > shown.length ? [`  and ${lost.length - shown.length} more`] : [];
    return [moved, 'These open under none of the keys that are given:', ...shown, ...more].join('\n');
  }
  const when = signInsUntil
    ? `at ${signInsUntil.toISOString()}, when nobody is signing in any more who began before`
    : 'now';
  return `${moved}\nWhere every replica has it in front, the keys behind it may go ${when}.`;
}

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
