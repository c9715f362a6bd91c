import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import { conflict, orNotFound } from '../../errors.js';
import type { Resolvers } from '../../generated/graphql.js';
import { allow, isSystemAdmin } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { nameText, parseInput, poolText } from '../../resource/input.js';
import { makeMachineToken } from '../../secrets/machine-token.js';
import { openRegisteredExecutors } from './outside.js';
import { record } from './record.js';

const registerInput = z.object({
  name: nameText,
  pool: poolText.nullish().transform((pool) => pool ?? 'default'),
});

const MOST = 200;
const MOST_LISTED = 500;

async function registerExecutor(input: unknown, { outside, person, actElsewhere }: RequestContext) {
  const { name, pool } = parseInput(registerInput, input);
  const executors = outside(openRegisteredExecutors);
  const id = newId('exr');
  const { token, hash, lastFour } = makeMachineToken('executor', id);
  const executor = await executors.register(
    { id, name, pool, hash, lastFour, createdBy: person.id },
    MOST,
    actElsewhere,
  );
  if (executor) return { executor, token };
  if ((await executors.count()) >= MOST) throw conflict(`There are ${MOST} executors at most.`);
  throw conflict('An executor has this name.', 'input.name');
}

async function rotateExecutorToken(id: string, { outside, actElsewhere }: RequestContext) {
  const executors = outside(openRegisteredExecutors);
  const { token, hash, lastFour } = makeMachineToken('executor', orNotFound(await executors.find(id)).id);
  const executor = await executors.rotate(id, { hash, lastFour }, actElsewhere);
  if (!executor) throw conflict('This executor was revoked.');
  return { executor, token };
}

/** Its runs are put back by the rounds that look for lost ones: nobody waits here for their organizations. */
async function revokeExecutor(id: string, { outside, actElsewhere }: RequestContext) {
  const executors = outside(openRegisteredExecutors);
  await executors.revoke(id, actElsewhere);
  return orNotFound(await executors.find(id));
}

const resolvers = {
  Query: { executors: (_, _args, { outside }) => outside(openRegisteredExecutors).list(MOST_LISTED) },
  Mutation: {
    registerExecutor: (_, { input }, context) => registerExecutor(input, context),
    rotateExecutorToken: (_, { id }, context) => rotateExecutorToken(id, context),
    revokeExecutor: (_, { id }, context) => revokeExecutor(id, context),
  },
} satisfies Resolvers;

export const executor = defineDomain({
  resolvers,
  record,
  access: {
    Query: { executors: isSystemAdmin },
    Mutation: { registerExecutor: isSystemAdmin, rotateExecutorToken: isSystemAdmin, revokeExecutor: isSystemAdmin },
    Executor: allow,
    ExecutorPayload: allow,
  },
});
