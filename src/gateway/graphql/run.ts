import {
  createSourceEventStream,
  type ExecutionResult,
  getVariableValues,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql';
import type { RequestContext } from '../../context/context.js';
import { TELL_ACTING } from '../../context/tell-acting.js';
import { whoListens } from '../../context/who-listens.js';
import { notePurpose, readingOnly, Stop, stoppable, tellTimes } from '../../data/connection/org-connection.js';
import { ReadBound, readLimits } from '../../data/connection/read-bound.js';
import { type ErrorCode, OrgateError } from '../../errors.js';
import { chargePoints, chargeTime, limitFields } from '../http/limit-requests.js';
import type { RateLimits } from '../http/rate-limits.js';
import { type RequestRecord, withRecord } from '../http/request-record.js';
import type { TellRequest } from '../http/tell-request.js';
import { askedFields, namedArguments, namedIds } from './asked-fields.js';
import { sizeOf } from './bound-answer.js';
import { MAX_VALIDATION_ERRORS } from './document-limits.js';
import { Documents } from './documents.js';
import { createExecute, type Execution } from './execute.js';
import { follow, isSource, type Source } from './follow.js';
import type { FormatError } from './format-error.js';
import { fieldThatNoMachineMay } from './machine-fields.js';
import { priceOf } from './price.js';
import type { Answer, OperationRequest, StreamRequest } from './operation-request.js';
import type { Operation, ReadDocument } from './read-document.js';
import { requestError } from './request-error.js';
import { StreamMemory, weighValue } from './stream-memory.js';

/** What is refused costs so much for each millisecond that it took to find out. */
const POINTS_A_MS = 100;

/**
 * What reading a document costs. Whether it was known here already makes no difference: another organization may have sent
 * it, and a price must not tell. What is wrong is never kept, and so costs what it takes, whoever sends it.
 */
const readingCost = ({ shape, refusedMs }: ReadDocument): number =>
  Math.floor(refusedMs * POINTS_A_MS) + shape.selections + 2 * shape.pairs;

export interface RunOptions {
  readonly schema: GraphQLSchema;
  /** Whether the schema may be asked for. */
  readonly introspection: boolean;
  readonly limits: RateLimits;
  /** Of one operation, in points. */
  readonly maxCost: number;
  /** Of one answer, in characters. */
  readonly maxAnswer: number;
  readonly compileFrom: number;
  readonly formatError: FormatError;
  readonly tellRequest: TellRequest;
  /** Told of each document, and of each operation, whether it was remembered. */
  readonly tellDocument?: (isFound: boolean) => void;
  readonly tellOperation?: (isFound: boolean) => void;
}

/** Never rejects: what fails is shown. */
export type Run = (request: OperationRequest) => Promise<Answer>;

/**
 * The same, and of a subscription one answer after the other, each read with the rights of its moment; null where there is
 * nothing to tell, and whoever waits still may. Once they may not, that is the last answer.
 */
export type RunStream = (request: StreamRequest) => Promise<Answer | AsyncGenerator<Answer | null, void>>;

/** By whom operations are executed, one way or the other. */
export interface Hall {
  readonly run: Run;
  readonly stream: RunStream;
}

/** The whole request is refused, and nothing of it ran. */
class RefusedRequestError extends Error {
  override readonly name = 'RefusedRequestError';
  constructor(readonly errors: readonly GraphQLError[]) {
    super(errors[0]?.message);
  }
}

/**
 * The one hall behind all doors. Structure, operation, price, limits, method and log line are all taken from the one
 * operation that is executed; the schema holds permissions and the bounds of arguments; errors are masked on the way out.
 */
export function createHall({ formatError, tellRequest, maxAnswer, ...options }: RunOptions): Hall {
  const { schema, compileFrom, limits } = options;
  const letThrough = createLetThrough(options);
  const memory = new StreamMemory();
  const execute = createExecute({ schema, compileFrom, tellLookup: options.tellOperation });

  const shown = ({ errors, ...rest }: ExecutionResult, record: RequestRecord): Answer =>
    errors ? { ...rest, errors: errors.map((error) => formatError(error, record)) } : rest;

  const refused = (error: unknown, record: RequestRecord): Answer => {
    const errors = error instanceof RefusedRequestError ? error.errors : [error];
    return { errors: errors.map((each) => formatError(each, record)) };
  };

  const answer = async (request: OperationRequest, record: RequestRecord): Promise<Answer> => {
    const { context, variables } = request;
    try {
      const operation = await letThrough(request, record);
      if (isSubscription(operation)) throw new RefusedRequestError([requestError('BAD_REQUEST', AS_EVENTS)]);
      return shown(bounded(operation, await run({ operation, variables, context }), record), record);
    } catch (error) {
      return refused(error, record);
    }
  };

  /** What somebody does who acts as a member is told before, and where they only look nothing can come of it. */
  const run = async (execution: Asked): Promise<ExecutionResult> => {
    await tellActing(execution);
    const { impersonation } = execution.context.viewer ?? {};
    const mayChange = impersonation?.scope === 'WRITE' && execution.operation.node.operation === 'mutation';
    try {
      return await (impersonation && !mayChange ? readingOnly(() => execute(execution)) : execute(execution));
    } finally {
      // Rows are many times the text that is made of them, which is all that is counted until it is taken.
      execution.context.letGo();
    }
  };

  const bounded = (operation: Operation, result: ExecutionResult, record: RequestRecord): ExecutionResult => {
    const size = sizeOf(result, maxAnswer);
    if (size === Infinity) {
      const message = `The answer is larger than ${maxAnswer} characters; ask for fewer rows or fields.`;
      return unanswered(operation, 'QUERY_TOO_EXPENSIVE', message);
    }
    try {
      record.held?.printed(size);
      return result;
    } catch (error) {
      if (!(error instanceof OrgateError) || operation.node.operation === 'query') throw error;
      return unanswered(operation, error.code, error.message);
    }
  };
  const stream: RunStream = async (request) => {
    const { context, variables, record } = request;
    try {
      const operation = await letThrough(request, record);
      const asked = { operation, variables, context };
      if (!isSubscription(operation)) return shown(bounded(operation, await run(asked), record), record);
      await tellActing(asked);
      const { over, renew, inTurn, doorBytes, giveWay } = request;
      const { lasting } = operation;
      const kept = { operation: lasting, variables: declaredOf(lasting, variables) };
      // The names that it noted are pieces of the text.
      note(lasting, record);
      const source = await createSourceEventStream({
        schema,
        document: lasting.document,
        contextValue: context,
        variableValues: kept.variables,
      });
      context.letGo();
      if (!isSource(source)) return shown(source, record);
      try {
        const listener = { orgId: context.organization.orgId, person: whoListens(context) };
        const bytes = doorBytes + lasting.whole.bytes + weighValue(kept.variables);
        const giveBack = memory.hold(listener, bytes, giveWay);
        if (over.aborted) giveBack();
        over.addEventListener('abort', giveBack, { once: true });
      } catch (error) {
        void (source as Source).return?.();
        throw error;
      }
      return follow(source as Source, {
        request: { context, over, renew, inTurn },
        price: record.cost ?? 0,
        limits,
        answer: async (current, root) => {
          try {
            const result = await readingOnly(() => execute({ ...kept, context: current, root }));
            return shown(bounded(lasting, result, record), record);
          } finally {
            current.letGo();
          }
        },
        refuse: (error) => refused(error, record),
      });
    } catch (error) {
      return refused(error, record);
    }
  };

  const whole: Run = async (request) => {
    if (request.record) return answer(request, request.record);
    const { context } = request;
    const bound = new ReadBound(readLimits(maxAnswer));
    bound.belongTo(context.current?.orgId ?? '');
    const record: RequestRecord = {
      requestId: context.requestId,
      address: null,
      context,
      held: bound,
      codes: new Set(),
    };
    const began = performance.now();
    try {
      return await withRecord(record, () => stoppable(new Stop(bound), () => answer(request, record)));
    } finally {
      bound.release();
      tellRequest(record, { ms: performance.now() - began });
    }
  };
  return { run: whole, stream };
}

/** What an operation asks for of the variables that came: others may stand beside them, and are nobody's. */
const declaredOf = ({ node }: Operation, variables: OperationRequest['variables']): OperationRequest['variables'] =>
  Object.fromEntries(
    (node.variableDefinitions ?? [])
      .map(({ variable }) => variable.name.value)
      .filter((name) => Object.hasOwn(variables, name))
      .map((name) => [name, variables[name]]),
  );

/** What is asked for once it was let through, and by whom. */
type Asked = Execution & { readonly context: RequestContext };

/** Whoever sends an operation calls it what they like. */
const MOST_OF_A_NAME = 100;

async function tellActing({ operation, variables, context }: Asked): Promise<void> {
  if (!context.viewer?.impersonation) return;
  const { operation: type, name } = operation.node;
  await context.use(TELL_ACTING)(context, {
    type,
    name: name?.value.slice(0, MOST_OF_A_NAME) ?? null,
    fields: askedFields(operation),
    arguments: namedArguments(operation, variables),
    ids: namedIds(operation, variables),
  });
}

const isSubscription = ({ node }: Operation): boolean => node.operation === OperationTypeNode.SUBSCRIPTION;

const AS_EVENTS = 'Subscriptions are answered by POST, as text/event-stream: say so in Accept.';

type GateOptions = Pick<RunOptions, 'schema' | 'introspection' | 'limits' | 'maxCost' | 'tellDocument'>;

/**
 * The gate: from a text to the one operation that may run, read, bounded, priced and paid for.
 *
 * @throws RefusedRequestError, OrgateError (RATE_LIMITED): nothing ran
 */
function createLetThrough({ schema, introspection, limits, maxCost, tellDocument }: GateOptions) {
  const documents = new Documents({ schema, introspection }, tellDocument);

  return async (request: OperationRequest, record: RequestRecord): Promise<Operation> => {
    const { context, variables } = request;
    const read = documents.read(request.document, context.viewer === null);
    let reading = readingCost(read);
    // What is refused is paid for as well, as far as it was read.
    const refuse = async (...errors: readonly GraphQLError[]): Promise<never> => {
      await chargePoints(limits, { reading, running: 0 }, context);
      throw new RefusedRequestError(errors);
    };
    if (read.errors.length > 0) return refuse(...read.errors);
    const operation = read.operation(request.operationName);
    if (operation instanceof GraphQLError) return refuse(operation);
    const { node } = operation;
    note(operation, record);
    if (node.operation !== 'query' && request.isReadOnly) {
      return refuse(requestError('METHOD_NOT_ALLOWED', 'Only queries are served here.'));
    }
    const forbidden = fieldThatNoMachineMay(schema, operation, context.viewer);
    if (forbidden !== null) return refuse(requestError('FORBIDDEN', `This token is not for ${forbidden}.`));
    const began = performance.now();
    const wrong = findWrongVariables(schema, operation, variables);
    if (wrong.length > 0) {
      reading += Math.floor((performance.now() - began) * POINTS_A_MS);
      return refuse(...wrong);
    }
    const cost = priceOf(schema, operation, variables);
    record.cost = cost;
    if (cost > maxCost) {
      const message = `This operation costs ${cost}, more than ${maxCost}; ask for fewer rows.`;
      return refuse(requestError('QUERY_TOO_EXPENSIVE', message));
    }
    await chargePoints(limits, { reading, running: cost }, context);
    let paid = cost;
    tellTimes((ms) => (record.cost = paid += chargeTime(limits, ms, context)));
    const fields = rootFields(operation);
    // Each once: the names are few, however many fields a document has.
    if (node.operation === 'mutation') notePurpose([...new Set(fields)].toSorted().join(' '));
    await limitFields(limits, fields, context, record);
    return operation;
  };
}

/**
 * What does not fit of the variables, a few things of it: a compiled operation would tell of each of forty thousand values, and
 * takes a second for that.
 */
function findWrongVariables(
  schema: GraphQLSchema,
  { node: { variableDefinitions = [] } }: Operation,
  variables: OperationRequest['variables'],
): readonly GraphQLError[] {
  if (variableDefinitions.length === 0) return [];
  const { errors = [] } = getVariableValues(schema, variableDefinitions, variables, {
    maxErrors: MAX_VALIDATION_ERRORS,
  });
  return errors.map((error) => requestError('BAD_USER_INPUT', error.message, error));
}

/** What an operation asks for at its root, through fragments too. Fields that `@skip` would leave out are among them. */
function rootFields({ node, fragments }: Operation): string[] {
  const names: string[] = [];
  const visit = (set: SelectionSetNode | undefined): void => {
    for (const each of set?.selections ?? []) {
      if (each.kind === Kind.FIELD) names.push(each.name.value);
      else visit(each.kind === Kind.INLINE_FRAGMENT ? each.selectionSet : fragments.get(each.name.value)?.selectionSet);
    }
  };
  visit(node.selectionSet);
  return names;
}

/** More root fields than this tell no more. */
const NOTED_FIELDS = 20;

/** Says of the request what its log line needs. */
function note(operation: Operation, record: RequestRecord): void {
  const { node } = operation;
  record.operationName = node.name?.value.slice(0, 200);
  record.operationType = node.operation;
  record.rootFields = node.name ? null : [...new Set(rootFields(operation))].toSorted().slice(0, NOTED_FIELDS);
}

/** What ran, but is not shown. */
function unanswered({ node }: Operation, code: ErrorCode, message: string): ExecutionResult {
  const done = node.operation === 'mutation' ? ' The mutation was carried out.' : '';
  return { data: null, errors: [new GraphQLError(`${message}${done}`, { extensions: { code } })] };
}
