/** Lines on which a promise hangs: what they become when they are broken, and the test that has to see it. */
export const MUTANTS = [
  // Wall 1
  [
    'data/organization/scope.ts',
    ', [model.orgField]: orgId },\n  };\n  const data',
    ' },\n  };\n  const data',
    'guarantees/walls',
  ],
  ['data/organization/scope.ts', 'if (!allowed.includes(key))', 'if (false)', 'guarantees/forbidden-programs'],
  [
    'data/organization/scope.ts',
    'if (value === undefined) refuse',
    'if (false) refuse',
    'guarantees/forbidden-programs',
  ],
  [
    'data/organization/scope.ts',
    'if (name === model.orgField && !isOnly(orgId, value))',
    'if (false)',
    'guarantees/forbidden-programs',
  ],
  [
    'data/organization/scope.ts',
    "search: checkSearch(model, args['search'])",
    "search: args['search']",
    'guarantees/forbidden-programs',
  ],
  [
    'data/organization/organization-db.ts',
    "{ ...query, ...forceOrganization(model, 'findMany', query, orgId), past }",
    '{ ...query, past }',
    'guarantees/forbidden-programs',
  ],
  [
    'data/organization/read-rows.ts',
    'if (!where[model.orgField]) throw new UnscopedStatementError(`${model.name} was about to be read',
    'if (false) throw new UnscopedStatementError(`${model.name} was about to be read',
    'data/organization/own-statements',
  ],
  ['data/organization/insert-row.ts', 'if (!data[model.orgField])', 'if (false)', 'data/organization/own-statements'],
  // Wall 2 and what watches it
  ['data/connection/scoped-query.ts', "frame.role === 'orgate_app' ? frame.orgId : ''", "''", 'guarantees/walls'],
  [
    'data/connection/tripwire.ts',
    'const positions = [...compared(text), ...inserted(text)];',
    'const positions: number[] = [];',
    'guarantees/walls',
  ],
  // Who goes first
  ['gateway/http/slots.ts', 'lane.turn < next.turn', 'false', 'gateway/http/slots'],
  [
    'gateway/http/slots.ts',
    'lane.turn += Math.max(performance.now() - since - LEAST_MS, 0);',
    '',
    'gateway/http/slots',
  ],
  [
    'data/connection/turns.ts',
    'return underWay < this.#third && this.#leavesRoom();',
    'return underWay < this.#share;',
    'data/connection/turns',
  ],
  ['data/connection/turns.ts', 'if (work.isScan && lane.scans >= SCANS) return false;', '', 'data/connection/turns'],
  ['jobs/spread-out.ts', 'atATime = Math.max(atATime, Math.ceil(count / MOST_STEPS));', '', 'jobs/spread-out'],
  ['gateway/doors.ts', 'slotByAddress(pages, slots);', '', 'gateway/http/slots'],
  [
    'gateway/scim/scim.ts',
    'inSlot(slots, request.network, reply, () => enter(request, reply))',
    'enter(request, reply)',
    'gateway/http/slots',
  ],
  [
    'gateway/graphql/serve-graphql.ts',
    'inSlot(slots, senders.of(request), reply, () => openContext(request, reply, parts))',
    'openContext(request, reply, parts)',
    'gateway/http/slots',
  ],
  // What is paid for
  ['resource/paging.ts', '(counted ??= count())', 'count()', 'gateway/graphql/points'],
  ['gateway/graphql/price.ts', 'if (isLeftOut(each, look)) return false;', '', 'gateway/graphql/points'],
  // Who asks
  [
    'context/enter-organization.ts',
    'if (named.some(({ required }, index) => required && !held[index])) throw notFound();',
    '',
    'context/organization-header',
  ],
  [
    'context/enter-organization.ts',
    'if (cookiePersonId !== null && cookiePersonId !== person.id)',
    'if (false)',
    'gateway/sign-in/session-cookie',
  ],
  ['context/enter-with-key.ts', 'if (!key || !isRight)', 'if (!key)', 'domains/api-key/api-key'],
  ['context/enter-with-key.ts', 'if (key.fault !== null)', 'if (false)', 'domains/api-key/api-key'],
  [
    'domains/membership/index.ts',
    "row && (row.kind === 'PERSON' || row.userId === actorId)",
    'row',
    'domains/node/node',
  ],
  ['context/authenticate.ts', 'exp > latest + LONGEST_S || ', '', 'context/credential-lifetime'],
  [
    'identity/find-person.ts',
    '`${membership}.joined_at <= ${startedAt}`',
    '`${membership}.joined_at <= ${startedAt} or true`',
    'rights/return',
  ],
  // Who may
  ['permissions/rules.ts', 'if (!current.servesMutations)', 'if (false)', 'context/default-organization'],
  ['rights/escalation.ts', 'isAtMost(assignment.role, actor.role) &&', '', 'domains/membership/membership-rights'],
  [
    'rights/escalation.ts',
    '[...effective(catalogue, assignment)].every((permission) => held.has(permission))',
    'true',
    'domains/membership/membership-rights',
  ],
  ['rights/owners.ts', 'if (owners < 2)', 'if (owners < 1)', 'domains/membership/membership-rights'],
  [
    'rights/seats.ts',
    'members + invited >= seatLimit',
    'members + invited > seatLimit',
    'domains/invitation/invitation',
  ],
  [
    'permissions/catalogue.ts',
    'given.includes(name) && admins.has(name)',
    'given.includes(name)',
    'domains/api-key/api-key',
  ],
  [
    'domains/invitation/answer-invitation.ts',
    'if (email !== person.email)',
    'if (false)',
    'domains/invitation/invitation',
  ],
  [
    'domains/scim-directory/as-directory.ts',
    '{ id: directoryId, tokenHash }',
    '{ id: directoryId }',
    'gateway/scim/meanwhile',
  ],
  [
    'domains/identity-provider/provision-from-provider.ts',
    "if (!provider) throw new NotAdmittedError('UNKNOWN');",
    "if (!provider) throw new NotAdmittedError('DISABLED');",
    'gateway/sign-in/switched-off',
  ],
  // What a stranger may send
  [
    'gateway/graphql/run.ts',
    "if (node.operation !== 'query' && request.isReadOnly)",
    'if (false)',
    'gateway/graphql/run',
  ],
  ['gateway/graphql/run.ts', 'if (cost > maxCost)', 'if (false)', 'gateway/graphql/query-limits'],
  ['gateway/graphql/run.ts', 'if (wrong.length > 0)', 'if (false)', 'gateway/graphql/query-limits'],
  ['gateway/graphql/price.ts', 'isFixed = false;', '', 'gateway/graphql/documents'],
  [
    'gateway/graphql/price.ts',
    "[argument('first'), argument('last')]",
    "[argument('first')]",
    'gateway/graphql/documents',
  ],
  ['resource/paging.ts', 'owner === scope && ', '', 'resource/paging'],
  [
    'gateway/graphql/bound-answer.ts',
    'for (const step of path) size += String(step).length + 3;',
    '',
    'gateway/graphql/answer-size',
  ],
  [
    'gateway/http/bound-head.ts',
    'if (rawHeaders.length > 2 * MOST_HEADERS)',
    'if (false)',
    'gateway/http/hostile-heads',
  ],
  ['gateway/http/bound-head.ts', 'if (accept.length > LONGEST_ACCEPT)', 'if (false)', 'gateway/http/hostile-heads'],
  ['gateway/http/bodies/body-budget.ts', '&& !this.#makeRoom(bytes, theirs + bytes)', '', 'gateway/http/bodies'],
  ['gateway/http/http.ts', 'if (wasReady) app.log.warn', 'app.log.warn', 'gateway/http/health'],
  [
    'egress/provider-fetch.ts',
    'return PRIVATE[family].check(address, family);',
    'return PRIVATE.ipv4.check(address, family) || PRIVATE.ipv6.check(address, family);',
    'gateway/sign-in/provider-fetch|egress',
  ],
  ['gateway/sign-in/oidc.ts', 'maxSize: KEPT_BYTES', 'maxSize: 1e12', 'gateway/sign-in/kept-providers'],
  // What is stale
  [
    'data/organization/table.ts',
    'changed();\n      return rows[0] ?? fail();',
    'return rows[0] ?? fail();',
    'domains/repository',
  ],
  // Many ids as one text, and what a directory makes of a group
  ['data/organization/ids.ts', "(id.includes(SEPARATOR) ? '' : id)", 'id', 'data/organization/ids'],
  ['gateway/scim/group-change.ts', 'outOf.delete(id);', '', 'gateway/scim/group-change'],
  ['gateway/scim/group-change.ts', '        add.clear();\n', '', 'gateway/scim/group-change'],
  [
    'gateway/scim/operations.ts',
    "(selected === null || kind === 'replace')",
    "(selected === null && kind === 'replace')",
    'gateway/scim/selections',
  ],
  // Who asks is read again
  ['identity/asking.ts', 'row?.fault === null', 'row', 'races/waiting'],
  ['identity/asking.ts', 'and ($3::text is null or s.id is not null)', '', 'races/waiting'],
  [
    'gateway/graphql/serve-graphql.ts',
    'await openContext(request, reply, parts, request.opened)',
    'request.opened ?? (await openContext(request, reply, parts))',
    'gateway/graphql/meanwhile',
  ],
  ['gateway/http/senders.ts', "?.replace(/^Bearer +/i, '')", '', 'gateway/http/senders'],

  // Due work
  ['jobs/outside.ts', 'and place <= room.share', '', 'jobs/due-work'],
  [
    'jobs/outside.ts',
    'placed.org_id <= room.behind, placed.org_id) as turn',
    'placed.due_at) as turn',
    'jobs/due-work',
  ],
  ['jobs/outside.ts', 'where goes and', 'where true and', 'jobs/due-work'],
  ['jobs/outside.ts', "and exists (select from organization where id = $2 and status = 'ACTIVE')", '', 'jobs/due-work'],
  ['jobs/due-work.ts', 'const mine = { id, takenAt };', 'const mine = { id };', 'jobs/due-work'],
  ['jobs/due-work.ts', '() => shared.extend(work),', 'async () => undefined,', 'jobs/due-work'],
  ['jobs/due-kind.ts', 'takenAt ? { wantedAt: dueAt } :', 'takenAt === undefined ? {} :', 'jobs/due-work'],
  // The clock
  ['rights/end-invitation.ts', 'expiresAt > now;', 'expiresAt.getTime() > Date.now();', 'guarantees/clock'],
  ['data/connection/clock.ts', 'new Date(performance.now() + this.#ahead', 'new Date(Date.now()', 'guarantees/clock'],
];
