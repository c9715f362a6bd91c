import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  type FieldNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import type { Operation } from './read-document.js';
import { type Variables, withDefaults } from './with-defaults.js';

type Field = GraphQLField<unknown, unknown>;

/** The value of a variable, by its name. */
type Look = (name: string) => unknown;

/** A leaf costs one, whatever it says; JSON, and text that may be long, as much as the kibibytes that it may hold, of one column about. */
const LEAF_COST = 1;
const JSON_COST = 64;
/** A list of leaves, such as of permissions, is some kilobyte of them. */
const LEAVES_COST = 10;
const LEAF_COSTS: ReadonlyMap<string, number> = new Map([
  ['Run.error', 10],
  ['ClaimedCredential.secret', 10],
  ['AuditChange.before', 12],
  ['AuditChange.after', 12],
  ['SettingChange.before', 12],
  ['SettingChange.after', 12],
]);
/** The whole schema may be asked for, in one answer of some hundred kilobytes. */
const INTROSPECTION_COST = 500;
/** Counting and searching take as long as there are rows, whatever is answered. */
const SCAN_COST = 10;
/** Places of a record are computed anew, so many where it is not said how many: each costs as much as a row would. */
const MOST_PLACES = 10_000;
/** What is handed in to be done, each by itself, as a batch of events. */
const GIVEN_COST = 5;
const DEFAULT_ROWS = 20;
const MAX_ROWS = 100;

/**
 * What an operation costs: a list its rows times what each row costs, however it says how many, and something for being counted or
 * searched, a record that is verified one for each place, a batch something for each that is in it, everything else one and what is in it. Counted from what it asks for, never from what is there, so that the price tells nothing. Where no
 * variable was looked at, it is the same for all of them, and is counted once.
 */
export function priceOf(schema: GraphQLSchema, operation: Operation, given: Variables): number {
  if (operation.fixedPrice !== null) return operation.fixedPrice;
  const variables = withDefaults(operation.node, given);
  let isFixed = true;
  const price = count(schema, operation, (name) => {
    isFixed = false;
    return variables[name];
  });
  if (isFixed) operation.fixedPrice = price;
  return price;
}

function count(schema: GraphQLSchema, { node: operation, fragments }: Operation, look: Look): number {
  const costOf = (set: SelectionSetNode, type: GraphQLCompositeType): number => {
    let always = 0;
    // Of what depends on the type of an object, the dearest counts: it is of one type only.
    let byType: Map<string, number> | undefined;
    for (const node of set.selections) {
      if (isLeftOut(node, look)) continue;
      if (node.kind === Kind.FIELD) {
        always += costOfField(node, type);
        continue;
      }
      const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
      if (!fragment) continue;
      const condition = fragment.typeCondition ? schema.getType(fragment.typeCondition.name.value) : type;
      if (!isCompositeType(condition)) continue;
      const cost = costOf(fragment.selectionSet, condition);
      if (isAbstractType(type) && isObjectType(condition)) {
        byType ??= new Map();
        byType.set(condition.name, (byType.get(condition.name) ?? 0) + cost);
      } else always += cost;
    }
    return byType ? always + Math.max(0, ...byType.values()) : always;
  };

  const costOfField = (node: FieldNode, parent: GraphQLCompositeType): number => {
    const name = node.name.value;
    if (name.startsWith('__')) return node.selectionSet ? INTROSPECTION_COST : LEAF_COST;
    const field = 'getFields' in parent ? parent.getFields()[name] : undefined;
    if (!field) return LEAF_COST;
    const type = getNamedType(field.type);
    if (isLeafType(type)) {
      if (isListType(getNullableType(field.type))) return LEAVES_COST;
      return LEAF_COSTS.get(`${parent.name}.${name}`) ?? (type.name.startsWith('JSON') ? JSON_COST : LEAF_COST);
    }
    const inside = node.selectionSet ? costOf(node.selectionSet, type) : 0;
    const scans = SCAN_COST * scansOf(node, fragments, look);
    const given = GIVEN_COST * givenOf(node, field, look);
    return 1 + rowsOf(node, parent, field, look) * inside + scans + given + placesOf(node, field, look);
  };

  const root = schema.getRootType(operation.operation);
  return root ? costOf(operation.selectionSet, root) : 0;
}

/** What stands there, as far as a price depends on it: a number, a truth, or a list for its length. */
function valueOf(node: ValueNode | undefined, look: Look): unknown {
  if (node?.kind === Kind.VARIABLE) return look(node.name.value);
  if (node?.kind === Kind.INT) return Number(node.value);
  if (node?.kind === Kind.BOOLEAN) return node.value;
  if (node?.kind === Kind.LIST) return node.values;
  return undefined;
}

/** Of lists that are answered whole, about what they may come to. Others come to as many as a page of which nobody says how many. */
export const ROWS_OF: ReadonlyMap<string, number> = new Map([
  ['Account.administrators', 50],
  ['Agent.credentials', 20],
  ['Approval.decisions', 10],
  ['Approval.waitsFor', 50],
  ['ApprovalSettings.requireFor', 10],
  ['AuditEntry.changes', 5],
  ['ClaimRunsPayload.runs', 20],
  ['ClaimedRun.credentials', 20],
  ['MemberRemovalPreview.apiKeys', 100],
  ['MemberRemovalPreview.directories', 10],
  ['MemberRemovalPreview.identityProviders', 10],
  ['MemberRemovalPreview.invitationsSent', 100],
  ['MemberRemovalPreview.serviceAccountKeys', 100],
  ['Mutation.setNotificationPreferences', 20],
  ['Organization.features', 10],
  ['Organization.formerSlugs', 20],
  ['Organization.limits', 4],
  ['Organization.siblings', 7],
  ['OrganizationComparison.credentials', 100],
  ['OrganizationComparison.differences', 50],
  ['OrganizationSet.elsewhere', 50],
  ['OrganizationSet.organizations', 7],
  ['OrganizationUsage.metrics', 20],
  ['OrganizationUsage.runsByStatus', 6],
  ['PromoteSettingsPayload.changes', 20],
  ['ProviderResolution.passedOver', 10],
  ['Query.checkOrganizationNames', 50],
  ['Query.executors', 100],
  ['Query.joinableOrganizations', 50],
  ['Query.notificationPreferences', 20],
  ['Query.permissionCatalogue', 100],
  ['Query.providerHealth', 100],
  ['Query.regions', 20],
  ['Query.usageAlerts', 100],
  ['Query.usageByDay', 500],
  ['Query.webhookEventTypes', 100],
  ['RecordUsageBatchPayload.outcomes', 100],
  ['SamlSettings.certificates', 5],
  ['SettingsVersion.changes', 5],
  ['UsageStatement.metrics', 20],
]);

/** How many objects a field may answer with: of a page what `first` or `last` says, of a lookup as many as there are ids. */
function rowsOf(node: FieldNode, { name: parent }: GraphQLCompositeType, field: Field, look: Look): number {
  const argument = (name: string): unknown =>
    valueOf(node.arguments?.find((each) => each.name.value === name)?.value, look);
  const ids = argument('ids');
  if (Array.isArray(ids) && field.args.some(isIds)) return ids.length;
  if (!field.args.some(({ name }) => name === 'first' || name === 'last')) {
    // The rows of a page count where it is asked for.
    const isOne = !isListType(getNullableType(field.type)) || parent.endsWith('Connection');
    return isOne ? 1 : (ROWS_OF.get(`${parent}.${field.name}`) ?? DEFAULT_ROWS);
  }
  const asked = [argument('first'), argument('last')].filter((rows) => typeof rows === 'number');
  const rows = asked.length > 0 ? Math.max(...asked) : DEFAULT_ROWS;
  return Math.min(Math.max(rows, 1), MAX_ROWS);
}

/** How many things a batch has in it. */
function givenOf(node: FieldNode, field: Field, look: Look): number {
  if (!field.args.some(({ name, type }) => name === 'input' && 'ofType' in getNullableType(type))) return 0;
  const batch = valueOf(node.arguments?.find(({ name }) => name.value === 'input')?.value, look);
  return Array.isArray(batch) ? batch.length : 1;
}

/** How many places of a record a field goes through; one that is no such field none. */
function placesOf(node: FieldNode, field: Field, look: Look): number {
  if (!['from', 'to'].every((end) => field.args.some(({ name, type }) => name === end && isPlace(type)))) return 0;
  const placeAt = (end: string): number | null => {
    const place = valueOf(node.arguments?.find(({ name }) => name.value === end)?.value, look);
    return typeof place === 'number' ? place : null;
  };
  const to = placeAt('to');
  return to === null ? MOST_PLACES : Math.min(Math.max(to - (placeAt('from') ?? 1) + 1, 0), MOST_PLACES);
}

const isPlace = (type: GraphQLArgument['type']): boolean => getNamedType(type).name === 'SafeInt';

/** How many times a list is gone through for what is counted or sought. */
function scansOf(node: FieldNode, fragments: Operation['fragments'], look: Look): number {
  const filter = node.arguments?.find(({ name }) => name.value === 'filter')?.value;
  const isSearch = filter !== undefined && mentions(filter, 'search', look);
  return Number(isSearch) + Number(isCounted(node.selectionSet, fragments, look));
}

const isCounted = (set: SelectionSetNode | undefined, fragments: Operation['fragments'], look: Look): boolean =>
  set?.selections.some((each) => {
    if (isLeftOut(each, look)) return false;
    if (each.kind === Kind.FIELD) return each.name.value === 'totalCount';
    const fragment = each.kind === Kind.INLINE_FRAGMENT ? each : fragments.get(each.name.value);
    return isCounted(fragment?.selectionSet, fragments, look);
  }) ?? false;

function mentions(value: ValueNode, field: string, look: Look): boolean {
  if (value.kind === Kind.VARIABLE) {
    const given = look(value.name.value);
    return typeof given === 'object' && given !== null && field in given;
  }
  return value.kind === Kind.OBJECT && value.fields.some(({ name }) => name.value === field);
}

const isIds = ({ name, type }: GraphQLArgument): boolean => name === 'ids' && 'ofType' in getNullableType(type);

/** By `@skip` or `@include`. */
function isLeftOut({ directives }: SelectionNode, look: Look): boolean {
  if (!directives || directives.length === 0) return false;
  return directives.some(({ name, arguments: [condition] = [] }) => {
    const value = valueOf(condition?.value, look);
    return (name.value === 'skip' && value === true) || (name.value === 'include' && value === false);
  });
}
