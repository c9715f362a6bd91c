import { type GraphQLSchema, isObjectType } from 'graphql';
import { applyMiddleware, type IMiddlewareGenerator } from 'graphql-middleware';
import type { IRules } from 'graphql-shield';
import { OrgateError } from '../errors.js';
import type { Domain } from '../resource/define-domain.js';
import type { Catalogue } from './catalogue.js';
import { rule, shield } from './graphql-shield.js';
import type { RequestContext } from '../context/context.js';
import { allow, mayForSomebodyElse, type Rule, type AccessMode } from './rules.js';

/** The rule of every field, by type and field name. */
export type AccessTable = ReadonlyMap<string, ReadonlyMap<string, Rule>>;

const isPaging = (type: string): boolean => /^PageInfo$|(Connection|Edge)$/.test(type);

/**
 * Adds up what the domains say.
 *
 * @throws when a field has no rule, two domains rule on one, or a rule asks for a permission that no domain declares
 */
export function accessTable(schema: GraphQLSchema, domains: readonly Domain[], catalogue: Catalogue): AccessTable {
  const table = new Map<string, Map<string, Rule>>();
  for (const { node } of domains) {
    if (node?.rule.permission && !catalogue.has(node.rule.permission)) {
      throw new Error(`node asks for ${node.rule.permission}, which no domain grants`);
    }
  }
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    const rules = new Map<string, Rule>();
    table.set(type.name, rules);
    for (const field of Object.keys(type.getFields())) {
      const found = domains.map((domain) => ruleFor(domain, type.name, field)).filter((each) => each !== undefined);
      const [first] = isPaging(type.name) ? [allow] : found;
      if (!first) throw new Error(`${type.name}.${field} has no rule`);
      if (found.length > 1) throw new Error(`two domains rule on ${type.name}.${field}`);
      if (first.permission && !catalogue.has(first.permission)) {
        throw new Error(`${type.name}.${field} asks for ${first.permission}, which no domain grants`);
      }
      rules.set(field, first);
    }
  }
  return table;
}

function ruleFor(domain: Domain, type: string, field: string): Rule | undefined {
  const access = (domain.access as Record<string, Rule | Record<string, Rule> | undefined>)[type];
  return isRule(access) ? access : access?.[field];
}

const isRule = (access: Rule | Record<string, Rule> | undefined): access is Rule =>
  typeof access?.['check'] === 'function';

const deny = rule('deny', { cache: 'no_cache' })(() => false);

type ShieldRule = typeof deny;

/** Rules as graphql-shield asks them, one of each name: it takes no two. */
function shieldRules(mode: AccessMode): (asked: Rule) => ShieldRule {
  const made = new Map<Rule, ShieldRule>();
  return (asked) => {
    const known =
      made.get(asked) ??
      rule(`${asked.name} to ${mode}`, { cache: 'no_cache' })((parent, _args, context: RequestContext) => {
        const given = mode === 'read' ? true : mayForSomebodyElse(context, asked.permission);
        const verdict = given === true ? asked.check(context, mode, parent) : given;
        if (verdict === true && mode === 'write' && context.viewer?.impersonation) return context.stillActing();
        // What a mutation is refused is noted where what it refuses itself is, too.
        if (verdict !== true && mode === 'read' && asked.permission)
          context.noteRefusal({ permission: asked.permission }, verdict);
        return verdict;
      });
    made.set(asked, known);
    return known;
  };
}

/**
 * Puts the table in front of the resolvers. What has no rule is denied; fields that always allow are then left out of
 * the running schema, where they would only cost a promise for every row. That is safe because the table was proved to
 * be complete.
 */
export function guard(schema: GraphQLSchema, table: AccessTable): GraphQLSchema {
  const [toRead, toWrite] = [shieldRules('read'), shieldRules('write')];
  const rules: Record<string, Record<string, ShieldRule>> = {};
  for (const [type, fields] of table) {
    // What a mutation answers with is read, and so is what a subscription is told.
    const asShield = type === schema.getMutationType()?.name ? toWrite : toRead;
    rules[type] = Object.fromEntries([...fields].map(([field, asked]) => [field, asShield(asked)]));
  }
  const generator = shield(rules as IRules, {
    fallbackRule: deny,
    // Rules answer with the error to show. One that threw, or denied, shows nothing but this.
    fallbackError: new OrgateError('FORBIDDEN'),
    // Resolvers' own errors pass; the door masks what is not in the vocabulary.
    allowExternalErrors: true,
  }) as unknown as IMiddlewareGenerator<unknown, unknown, unknown>;
  const middleware = generator.generate(schema) as Record<string, Record<string, unknown>>;
  for (const [type, fields] of table) {
    for (const [field, asked] of fields) {
      if (asked === allow) delete middleware[type]?.[field];
    }
    if (Object.keys(middleware[type] ?? {}).length === 0) delete middleware[type];
  }
  return guardSources(applyMiddleware(schema, middleware as never), table);
}

/** The library asks the rule of a subscription for each event only: here it is asked before its source is opened, too. */
function guardSources(schema: GraphQLSchema, table: AccessTable): GraphQLSchema {
  const type = schema.getSubscriptionType();
  for (const field of Object.values(type?.getFields() ?? {})) {
    const asked = table.get(type?.name ?? '')?.get(field.name);
    const { subscribe } = field;
    // Without a resolver of its own for events the library would ask for none of them.
    if (!subscribe || !field.resolve) throw new Error(`${field.name} has no source, or no resolver of what that tells`);
    field.subscribe = (parent, args, context: RequestContext, info) => {
      const verdict = asked ? asked.check(context, 'read', null) : new OrgateError('FORBIDDEN');
      if (verdict === true) return subscribe(parent, args, context, info) as unknown;
      if (asked?.permission) context.noteRefusal({ permission: asked.permission }, verdict);
      throw verdict;
    };
  }
  return schema;
}
