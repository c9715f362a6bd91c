import { bySystem, type Act } from '../data/connection/act.js';
import type { Database } from '../data/database.js';
import type { OrgId } from '../data/id.js';
import type { RequestDb } from '../data/organization/organization-db.js';
import { READ_APART } from '../data/organization/models.js';
import type { ForeignDatabase } from '../data/start/foreign-database.js';
import { lastFourOf } from '../domains/credential/credential-input.js';
import { unfitName } from '../domains/organization/name-fits.js';
import type { NamingPolicy } from '../domains/organization/naming.js';
import { slugText } from '../domains/organization/slug.js';
import { inParts } from '../in-parts.js';
import { openAdoptedPeople } from '../identity/adopted-people.js';
import { openHeldFounding } from '../identity/found-organization.js';
import { descriptionText, emailText, nameText } from '../resource/input.js';
import type { OrganizationSeal } from '../secrets/organization-seal.js';
import { Compared, type Comparison } from './compare.js';
import { convert, idOf, type ReadRow } from './convert.js';
import { AdoptionError, type AdoptionMap, columnsRead, type Kind, KINDS } from './map.js';

/** What a single-tenant database moves with. */
export interface Adoption {
  readonly foreign: ForeignDatabase;
  readonly map: AdoptionMap;
  readonly database: Database;
  readonly seal: OrganizationSeal;
  /** What the deployment wants of the name of an organization that is made. */
  readonly namingPolicy: NamingPolicy;
  /** Nothing is written. */
  readonly isDryRun: boolean;
  /** Told of each row that moved: what it is called there, and here. */
  readonly onMoved?: (moved: { readonly kind: Kind; readonly from: string; readonly to: string }) => void;
}

/** What came of it, or would come of it. */
export interface Adopted {
  /** Null where it would be made. */
  readonly organizationId: string | null;
  readonly slug: string;
  /** How many rows there are of each kind. */
  readonly found: Readonly<Record<Kind, number>>;
  /** What was read on both sides afterwards; null of a dry run. */
  readonly compared: Readonly<Record<Kind, Comparison>> | null;
  /** People whose e-mail somebody here has already: they stay who they are. */
  readonly known: number;
  /** Runs that nobody known started, and which the OWNER is said to have. */
  readonly withoutStarter: number;
  /** Runs of agents that are gone. */
  readonly withoutAgent: number;
  /** Runs that were not over. */
  readonly unfinished: number;
  readonly withSubject: number;
}

const PREFIXES = { people: 'usr', credentials: 'crd', repositories: 'rep', agents: 'agt', runs: 'run' } as const;
const MOST_TOLD = 50;
/** More of these an organization has not, and they are kept in memory while it moves. */
const MOST_NAMED = 200_000;
const MOST_CREDENTIALS = 500;

/** What was read of theirs, by key: references are looked up in it. Of runs nothing refers to one. */
interface Known {
  readonly people: Map<string, ReadRow<'people'>>;
  readonly credentials: Map<string, string>;
  readonly credentialKinds: Map<string, string>;
  readonly repositories: Map<string, string>;
  readonly agents: Map<string, { readonly id: string; readonly repositoryId: string }>;
}

/**
 * Moves a single-tenant database into an organization of its own. What was moved before is not moved again: begun again it goes on,
 * and done again it does nothing; and it is compared each time, row by row.
 *
 * @throws AdoptionError before anything is written, where something does not fit
 */
export async function adopt(adoption: Adoption): Promise<Adopted> {
  const { foreign, database, isDryRun } = adoption;
  const map = checkOrganization(adoption.map);
  await checkTables(foreign, map);
  const { known, counts } = await readAll(foreign, map);
  const outside = database.outside(openAdoptedPeople);
  const act: Act = { ...bySystem('adopt'), reason: `from ${foreign.name}` };
  const before = await findAdopted(database, map, act);
  if (before === null) await assertNameFits(adoption, map);
  const ids = await findPeople(outside, foreign, map, known);
  const summary = { slug: map.organization.slug, ...counts, known: ids.known };
  if (isDryRun) return { ...summary, organizationId: before, compared: null };

  await makePeople(outside, map, ids.byKey, ids.made, act);
  const orgId = before ?? (await found(database, map, known, ids.byKey, act));
  const db = database.organizationDb(orgId, act);
  await write(adoption, map, known, ids.byKey, orgId, db);
  return { ...summary, organizationId: orgId, compared: await compareAll(adoption, map, known, ids.byKey, orgId, db) };
}

function checkOrganization(map: AdoptionMap): AdoptionMap {
  const { name, slug, description, owner } = map.organization;
  const problems: string[] = [];
  const read = <T>(
    field: string,
    shape: { safeParse(value: unknown): { success: boolean; data?: T; error?: { issues: { message: string }[] } } },
    value: unknown,
  ): T => {
    const { success, data, error } = shape.safeParse(value);
    if (!success) problems.push(`  organization.${field}: ${error?.issues[0]?.message ?? 'Not valid.'}`);
    return data as T;
  };
  const organization = {
    name: read<string>('name', nameText, name),
    slug: read<string>('slug', slugText, slug),
    description: read<string | undefined>('description', descriptionText, description) ?? '',
    owner: read<string>('owner', emailText, owner),
  };
  if (map.people.subject !== undefined && map.people.issuer === undefined)
    problems.push('  people.issuer: Needed beside subject.');
  if (map.people.issuer?.startsWith('urn:orgate:provider:idp_')) {
    problems.push('  people.issuer: A provider of an organization speaks for that organization only.');
  }
  if (problems.length > 0) throw new AdoptionError(['The map does not fit:', ...problems].join('\n'));
  return { ...map, organization };
}

async function checkTables(foreign: ForeignDatabase, map: AdoptionMap): Promise<void> {
  const problems: string[] = [];
  for (const kind of KINDS) {
    const part = map[kind];
    if (!part) continue;
    const columns = await foreign.columnsOf(part.table);
    if (!columns) problems.push(`  ${kind}.table: There is no table ${part.table}.`);
    const named = [{ field: 'id', column: part.id }, ...columnsRead(part)];
    for (const { field, column } of columns ? named : []) {
      if (!columns?.has(column)) problems.push(`  ${kind}.${field}: ${part.table} has no column ${column}.`);
    }
  }
  if (problems.length > 0) throw new AdoptionError(['The map does not fit the database:', ...problems].join('\n'));
}

async function* rowsOf<K extends Kind>(
  foreign: ForeignDatabase,
  map: AdoptionMap,
  kind: K,
  tell: (key: string, field: string, message: string) => void = () => undefined,
): AsyncGenerator<ReadRow<K>[]> {
  const part = map[kind];
  if (!part) return;
  for await (const rows of foreign.rows(part.table, part.id, columnsRead(part))) {
    yield rows.flatMap((row) => {
      const read = convert(kind, part, row, (field, message) => tell(String(row['key']), field, message));
      return read ? [read] : [];
    });
  }
}

/** Reads everything once, and writes nothing: what does not fit is found before anything moves. */
async function readAll(foreign: ForeignDatabase, map: AdoptionMap) {
  const problems: string[] = [];
  let more = 0;
  const tellOf = (kind: Kind) => (key: string, field: string, message: string) => {
    if (problems.length < MOST_TOLD) problems.push(`  ${map[kind]?.table} ${key}, ${field}: ${message}`);
    else more += 1;
  };
  const known: Known = {
    people: new Map(),
    credentials: new Map(),
    credentialKinds: new Map(),
    repositories: new Map(),
    agents: new Map(),
  };
  const found = { people: 0, credentials: 0, repositories: 0, agents: 0, runs: 0 };
  const counts = { found, withoutStarter: 0, withoutAgent: 0, unfinished: 0, withSubject: 0 };
  const names = new Set<string>();
  let last: string | null = null;

  const each = async <K extends Kind>(
    kind: K,
    look: (row: ReadRow<K>, tell: (field: string, message: string) => void) => void,
  ) => {
    const tell = tellOf(kind);
    [last] = [null];
    for await (const rows of rowsOf(foreign, map, kind, tell)) {
      for (const row of rows) {
        found[kind] += 1;
        if (row.key === last) tell(row.key, 'id', 'Two rows have it.');
        last = row.key;
        look(row, (field, message) => tell(row.key, field, message));
      }
    }
    if (kind !== 'runs' && found[kind] > MOST_NAMED) throw new AdoptionError(`More than ${MOST_NAMED} ${kind}.`);
  };
  const once = (kind: Kind, name: string, field: string, tell: (field: string, message: string) => void) => {
    if (names.has(`${kind} ${name}`)) tell(field, 'Another row has the same.');
    names.add(`${kind} ${name}`);
  };
  const idIn = (kind: Kind, { key, createdAt }: { key: string; createdAt: Date | null }) =>
    idOf(PREFIXES[kind], foreign.name, map[kind]?.table ?? '', key, createdAt);

  await each('people', (row, tell) => {
    once('people', row.email, 'email', tell);
    if (row.subject !== null) {
      once('people', `subject ${row.subject}`, 'subject', tell);
      counts.withSubject += 1;
    }
    known.people.set(row.key, row);
  });
  const owner = [...known.people.values()].find(({ email }) => email === map.organization.owner);
  if (!owner) problems.push(`  organization.owner: Nobody of ${map.people.table} has this e-mail.`);
  else if (!owner.isActive) problems.push(`  organization.owner: This person is not active in ${map.people.table}.`);
  await each('credentials', (row, tell) => {
    once('credentials', row.name, 'name', tell);
    known.credentials.set(row.key, idIn('credentials', row));
    known.credentialKinds.set(row.key, row.kind);
  });
  if (found.credentials > MOST_CREDENTIALS)
    problems.push(`  credentials: An organization has at most ${MOST_CREDENTIALS}.`);
  await each('repositories', (row, tell) => {
    once('repositories', row.name, 'name', tell);
    if (row.credential !== null && known.credentialKinds.get(row.credential) !== 'GIT') {
      tell('credential', 'No credential of kind GIT is called so.');
    }
    known.repositories.set(row.key, idIn('repositories', row));
  });
  await each('agents', (row, tell) => {
    once('agents', row.name, 'name', tell);
    const repositoryId = known.repositories.get(row.repository);
    if (repositoryId === undefined) tell('repository', 'No repository is called so.');
    else known.agents.set(row.key, { id: idIn('agents', row), repositoryId });
  });
  await each('runs', (row) => {
    if (row.createdBy === null || !known.people.has(row.createdBy)) counts.withoutStarter += 1;
    if (row.agent !== null && !known.agents.has(row.agent)) counts.withoutAgent += 1;
    if (row.status === 'QUEUED' || row.status === 'RUNNING') counts.unfinished += 1;
  });
  if (problems.length > 0) {
    const others = more > 0 ? [`  and ${more} more`] : [];
    throw new AdoptionError(['Nothing was written: some of it does not fit.', ...problems, ...others].join('\n'));
  }
  return { known, counts };
}

/** @throws AdoptionError where the deployment wants other names, with one that fits and is free */
async function assertNameFits({ database, namingPolicy }: Adoption, { organization: { slug } }: AdoptionMap) {
  const unfit = await unfitName(slug, namingPolicy, database.outside);
  if (!unfit) return;
  const advice = unfit.suggestion === null ? [] : [`  ${unfit.suggestion} fits, and is free.`];
  const problems = unfit.problems.map((problem) => `  organization.slug: ${problem}`);
  throw new AdoptionError(['The map does not fit the deployment:', ...problems, ...advice].join('\n'));
}

/** The organization that was adopted before. @throws AdoptionError where another has the slug, or it waits for its end */
async function findAdopted({ outside, organizationDb }: Database, map: AdoptionMap, act: Act): Promise<OrgId | null> {
  const { slug } = map.organization;
  const orgId = await outside(openAdoptedPeople).findOrganization(slug);
  if (!orgId) return null;
  const made = await organizationDb(orgId, act).auditEntry.find({ action: 'organization.created' });
  if (made?.actorKind !== 'SYSTEM' || made.actorName !== act.name) {
    throw new AdoptionError(`The slug ${slug} is taken by an organization that was not adopted.`);
  }
  if (made.reason !== act.reason)
    throw new AdoptionError(`The organization ${slug} was adopted ${made.reason}, not ${act.reason}.`);
  const { status } = await organizationDb(orgId, act).organization.get({});
  if (status === 'PENDING_DELETION') {
    throw new AdoptionError(
      `The organization ${slug} is to be deleted: nothing moves into it unless that is cancelled.`,
    );
  }
  return orgId;
}

type People = ReturnType<typeof openAdoptedPeople>;

/** Who each of theirs is here: who has the e-mail already, or somebody who is made. */
async function findPeople(outside: People, foreign: ForeignDatabase, map: AdoptionMap, { people }: Known) {
  const byKey = new Map<string, string>();
  const made: ReadRow<'people'>[] = [];
  let known = 0;
  for (const rows of inParts([...people.values()], BATCH)) {
    const found = new Map(
      (await outside.find(rows.map(({ email }) => email))).map((person) => [person.email, person.id]),
    );
    for (const row of rows) {
      const own = idOf('usr', foreign.name, map.people.table, row.key, null);
      const id = found.get(row.email) ?? own;
      byKey.set(row.key, id);
      if (id === own) made.push(row);
      else known += 1;
    }
  }
  return { byKey, made, known };
}

async function makePeople(
  outside: People,
  map: AdoptionMap,
  byKey: ReadonlyMap<string, string>,
  made: readonly ReadRow<'people'>[],
  act: Act,
): Promise<void> {
  for (const rows of inParts(made, BATCH)) {
    await outside.make(
      rows.map(({ key, email, name }) => ({ id: byKey.get(key) ?? '', email, name })),
      act,
    );
    // Whoever came by the same address meanwhile is somebody of their own: no subject of theirs tells them.
    const still = new Set((await outside.find(rows.map(({ email }) => email))).map(({ id }) => id));
    const subjects = rows.flatMap(({ key, subject }) => {
      const personId = byKey.get(key) ?? '';
      if (!still.has(personId))
        throw new AdoptionError('Somebody signed in for the first time meanwhile: begin again.');
      return subject === null ? [] : [{ subject, personId }];
    });
    if (map.people.issuer !== undefined && subjects.length > 0) await outside.tie(map.people.issuer, subjects, act);
  }
}

/** Makes the organization, with its OWNER. */
async function found(
  { outside, organizationDb }: Database,
  map: AdoptionMap,
  { people }: Known,
  byKey: ReadonlyMap<string, string>,
  act: Act,
): Promise<OrgId> {
  const founding = outside(openHeldFounding);
  const orgId = founding.newId();
  const { name, slug, description = '', owner } = map.organization;
  const [theirs] = [...people.values()].filter(({ email }) => email === owner);
  if (!theirs) throw new AdoptionError('There is nobody to own it.');
  const first = { id: byKey.get(theirs.key) ?? '', email: owner, name: theirs.name };
  await organizationDb(orgId, act).transaction(async () => {
    await founding.found(orgId, first, { name, slug, description }, act);
  });
  return orgId;
}

const roleOf = (map: AdoptionMap, { email, role }: ReadRow<'people'>) =>
  email === map.organization.owner ? ('OWNER' as const) : role;

async function write(
  { foreign, seal, onMoved }: Adoption,
  map: AdoptionMap,
  known: Known,
  userIds: ReadonlyMap<string, string>,
  orgId: OrgId,
  db: RequestDb,
): Promise<void> {
  const once = { skipTaken: true };
  const now = db.now();
  const tell = (kind: Kind, rows: readonly { key: string }[], ids: readonly string[]) =>
    rows.forEach(({ key }, index) => onMoved?.({ kind, from: key, to: ids[index] ?? '' }));

  for (const rows of inParts([...known.people.values()], BATCH)) {
    const members = rows.map((row) => ({
      userId: userIds.get(row.key) ?? '',
      email: row.email,
      name: row.name,
      role: roleOf(map, row),
      status: row.isActive ? ('ACTIVE' as const) : ('SUSPENDED' as const),
      joinedAt: row.createdAt ?? now,
    }));
    await db.membership.createMany(members, once);
    tell(
      'people',
      rows,
      members.map(({ userId }) => userId),
    );
  }
  for await (const rows of rowsOf(foreign, map, 'credentials')) {
    for (const { key, secret, createdAt, ...row } of rows) {
      const id = known.credentials.get(key) ?? '';
      // What was sealed stays as it is: sealed anew it would be another text for the same secret.
      if (!(await db.credential.find({ id }))) {
        const place = { orgId, table: 'credential', id };
        const sealed = { secret: await seal.seal(db, secret, place), lastFour: lastFourOf(secret), rotatedAt: now };
        await db.credential.createMany(
          [{ ...row, config: row.config as object, id, ...sealed, createdAt: createdAt ?? now }],
          once,
        );
      }
      onMoved?.({ kind: 'credentials', from: key, to: id });
    }
  }
  for await (const rows of rowsOf(foreign, map, 'repositories')) {
    const ours = rows.map(({ key, credential, createdAt, ...row }) => ({
      ...row,
      id: known.repositories.get(key) ?? '',
      credentialId: credential === null ? null : (known.credentials.get(credential) ?? null),
      createdAt: createdAt ?? now,
    }));
    await db.repository.createMany(ours, once);
    tell(
      'repositories',
      rows,
      ours.map(({ id }) => id),
    );
  }
  for await (const rows of rowsOf(foreign, map, 'agents')) {
    const ours = rows.map(({ key, name, description, createdAt }) => ({
      name,
      description,
      id: known.agents.get(key)?.id ?? '',
      repositoryId: known.agents.get(key)?.repositoryId ?? '',
      createdAt: createdAt ?? now,
    }));
    await db.agent.createMany(ours, once);
    tell(
      'agents',
      rows,
      ours.map(({ id }) => id),
    );
  }
  const owner = ownerOf(map, known, userIds);
  for await (const rows of rowsOf(foreign, map, 'runs')) {
    const ours = rows.map((row) => runOf(row, { foreign, map, known, userIds, owner, now }));
    for (const alike of ofSameFields(ours)) await db.run.createMany(alike, once);
    tell(
      'runs',
      rows,
      ours.map(({ id }) => id),
    );
  }
}

const ownerOf = (map: AdoptionMap, { people }: Known, userIds: ReadonlyMap<string, string>): string => {
  const [owner] = [...people.values()].filter(({ email }) => email === map.organization.owner);
  return userIds.get(owner?.key ?? '') ?? '';
};

interface RunParts {
  readonly foreign: ForeignDatabase;
  readonly map: AdoptionMap;
  readonly known: Known;
  readonly userIds: ReadonlyMap<string, string>;
  readonly owner: string;
  readonly now: Date;
}

function runOf(
  { key, agent, createdBy, createdAt, input, output, ...row }: ReadRow<'runs'>,
  { foreign, map, known, userIds, owner, now }: RunParts,
) {
  const of = agent === null ? undefined : known.agents.get(agent);
  return {
    ...row,
    ...(input !== null && { input: input as object }),
    ...(output !== null && { output: output as object }),
    id: idOf('run', foreign.name, map.runs?.table ?? '', key, createdAt),
    agentId: of?.id ?? null,
    repositoryId: of?.repositoryId ?? null,
    createdById: (createdBy === null ? undefined : userIds.get(createdBy)) ?? owner,
    createdAt: createdAt ?? row.startedAt ?? row.finishedAt ?? now,
  };
}

/** What is made together has the same fields: what has no input, or no output, goes by itself. */
function ofSameFields<R extends object>(rows: readonly R[]): R[][] {
  const alike = new Map<string, R[]>();
  for (const row of rows) {
    const fields = Object.keys(row).join();
    alike.set(fields, [...(alike.get(fields) ?? []), row]);
  }
  return [...alike.values()];
}

/** Reads both sides once more, and compares them row by row. */
async function compareAll(
  { foreign, seal }: Adoption,
  map: AdoptionMap,
  known: Known,
  userIds: ReadonlyMap<string, string>,
  orgId: OrgId,
  db: RequestDb,
): Promise<Record<Kind, Comparison>> {
  const sides = {
    people: new Compared(),
    credentials: new Compared(),
    repositories: new Compared(),
    agents: new Compared(),
    runs: new Compared(),
  };
  for (const rows of inParts([...known.people.values()], BATCH)) {
    const theirs = rows.map((row) => ({
      id: userIds.get(row.key) ?? '',
      email: row.email,
      name: row.name,
      role: roleOf(map, row),
      status: row.isActive ? 'ACTIVE' : 'SUSPENDED',
    }));
    const ours = await db.membership.list({
      where: { userId: { in: theirs.map(({ id }) => id) } },
      orderBy: { userId: 'asc' },
      take: rows.length,
    });
    sides.people.add(
      theirs,
      ours.map(({ userId, ...row }) => ({ ...row, id: userId })),
    );
  }
  for await (const rows of rowsOf(foreign, map, 'credentials')) {
    const theirs = rows.map(({ key, name, kind, provider }) => ({
      id: known.credentials.get(key) ?? '',
      name,
      kind,
      provider,
    }));
    const ours = await db.credential.list({
      where: { id: { in: theirs.map(({ id }) => id) } },
      orderBy: { id: 'asc' },
      take: rows.length,
    });
    sides.credentials.add(theirs, ours);
    // Secrets are compared, and stand in no checksum.
    const secrets = new Map(rows.map(({ key, secret }) => [known.credentials.get(key) ?? '', secret]));
    for (const { id, secret } of ours) {
      const opened = await seal.open(db, secret, { orgId, table: 'credential', id });
      if (opened !== secrets.get(id)) sides.credentials.differ(id);
    }
  }
  for await (const rows of rowsOf(foreign, map, 'repositories')) {
    const theirs = rows.map(({ key, name, gitUrl, branch, description, credential }) => ({
      id: known.repositories.get(key) ?? '',
      name,
      gitUrl,
      branch,
      description,
      credentialId: credential === null ? null : known.credentials.get(credential),
    }));
    const ours = await db.repository.list({
      where: { id: { in: theirs.map(({ id }) => id) } },
      orderBy: { id: 'asc' },
      take: rows.length,
    });
    sides.repositories.add(theirs, ours);
  }
  for await (const rows of rowsOf(foreign, map, 'agents')) {
    const theirs = rows.map(({ key, name, description }) => ({
      id: known.agents.get(key)?.id ?? '',
      repositoryId: known.agents.get(key)?.repositoryId,
      name,
      description,
    }));
    const ours = await db.agent.list({
      where: { id: { in: theirs.map(({ id }) => id) } },
      orderBy: { id: 'asc' },
      take: rows.length,
    });
    sides.agents.add(theirs, ours);
  }
  const owner = ownerOf(map, known, userIds);
  for await (const rows of rowsOf(foreign, map, 'runs')) {
    const now = new Date(0);
    const theirs = rows.map((row) => {
      const { createdAt, ...rest } = runOf(row, { foreign, map, known, userIds, owner, now });
      return { input: null, output: null, ...rest, ...(createdAt !== now && { createdAt }) };
    });
    const ids = theirs.map(({ id }) => id);
    const found = await db.run.list({ where: { id: { in: ids } }, orderBy: { id: 'asc' }, take: rows.length });
    const ours = await Promise.all(
      found.map(async (row) => {
        const apart = READ_APART.Run.map(async (field) => [field, await db.run.loadApart(row.id, field)] as const);
        return { ...row, ...Object.fromEntries(await Promise.all(apart)) };
      }),
    );
    sides.runs.add(theirs, ours);
  }
  return Object.fromEntries(KINDS.map((kind) => [kind, sides[kind].result()])) as Record<Kind, Comparison>;
}

const BATCH = 500;
