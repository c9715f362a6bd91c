import { readArguments, refuseArguments } from '../commands/read-arguments.js';
import { readConfig } from '../config/config.js';
import { asError } from '../thrown.js';
import { readDemoWorld } from './demo-world.js';
import { openDevelopmentIssuer } from './issuer.js';
import { DEMO_PEOPLE } from './serve-development.js';

const USAGE = `usage: npm run --silent token -- <e-mail> [--org <id or slug>]

  --org   binds the token to this organization

Prints a bearer token for a person of the demo world, in development only.`;

/** Prints a bearer token for a person of the demo world, and nothing else. It never opens the database. */
async function main(): Promise<void> {
  const { positionals, values } = readArguments(USAGE, {
    allowPositionals: true,
    options: { org: { type: 'string' } },
  });
  const [email] = positionals;
  if (positionals.length !== 1 || !email || !/^[^\s@]+@[^\s@]+$/.test(email)) refuseArguments('One e-mail is needed');
  const config = readConfig();
  if (!config.development)
    throw new Error(
      'The development issuer exists only where NODE_ENV is not production and HOST is a loopback address.',
    );
  if (!DEMO_PEOPLE.some((person) => person.email === email.toLowerCase())) {
    console.error(
      `${email} is nobody of the demo world (${DEMO_PEOPLE.map((each) => each.email).join(', ')}); the first request makes this person.`,
    );
  }
  const { org } = values;
  if (org !== undefined) await doubtMembership(email.toLowerCase(), org);
  const issuer = await openDevelopmentIssuer(config.dataDirectory);
  console.log(await issuer.issue(email, null, org ?? null));
}

/** Says so where the demo world has this person outside this organization: a token bound to it finds none. */
async function doubtMembership(email: string, org: string): Promise<void> {
  const { organizations } = await readDemoWorld();
  // Ids are made as the demo world is loaded, and what people made since, only the database knows.
  if (org.startsWith('org_')) return;
  const theirs = organizations.filter(({ members, joining }) => {
    const isTakenIn = joining?.joining === 'AUTO' && email.endsWith(`@${joining.domain}`);
    return email in members || isTakenIn;
  });
  if (theirs.some(({ slug }) => slug === org)) return;
  const slugs = new Intl.ListFormat('en-GB').format(theirs.map(({ slug }) => slug)) || 'no organization';
  console.error(
    `In the demo world ${email} is in ${slugs}, not in ${org}: unless they have joined since, this token names no organization.`,
  );
}

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
