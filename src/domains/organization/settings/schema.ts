import { z } from 'zod';
import type { Row } from '../../../data/organization/table.js';
import {
  ApprovalRequirementKind,
  ApproverOrder,
  ExecutorChoice,
  ExternalAgentPolicy,
  MembershipRule,
  SupportAccess,
} from '../../../generated/enums.js';
import type { ApprovalRequirement, OrganizationSettings } from '../../../generated/graphql.js';
import { emailText, nameText } from '../../../resource/input.js';
import type { Permission } from '../../../permissions/catalogue.js';
import { FEATURE_NAMES, isFeature } from '../../../permissions/features.js';
import { coloursThatContrast, httpsUrl } from './branding.js';

type Groups = Omit<OrganizationSettings, '__typename' | 'version' | 'featureFlags'>;
type Group = keyof Groups;
type PathIn<G extends Group> = `${G}.${Exclude<keyof Groups[G] & string, '__typename'>}`;

/** Every setting that the contract has, by the path at which a client reads and writes it. */
export type SettingPath = 'featureFlags' | { [G in Group]: PathIn<G> }[Group];

/** As the store has it, in which numbers are JSON's. */
type Requirement = Omit<ApprovalRequirement, '__typename' | 'costMicros'> & { readonly costMicros: number | null };

/** What a setting holds, as the contract says. */
export type SettingValue<P extends SettingPath> = P extends 'featureFlags'
  ? Record<string, boolean>
  : P extends 'approval.requireFor'
    ? Requirement[]
    : P extends `${infer G extends Group}.${infer F}`
      ? Groups[G][F & keyof Groups[G]]
      : never;

/** All settings of an organization. */
export type Settings = { readonly [P in SettingPath]: SettingValue<P> };

/** What is said of a setting beside what it may hold. */
interface Rights {
  /** Who may change it, beside the role that updates the organization. */
  readonly needs: Permission | 'OWNER';
  /** Whether the deployment's own people may change it for a member, while an OWNER lets them. Never of `support`, `security`, `approval`. */
  readonly isVendors: boolean;
  /** Whether it may be taken over from another organization: nothing that names people, hosts or credentials. */
  readonly isPromotable: boolean;
  /** How the record tells a change: both values, or only that there was one. `orgate_masked` in the database says the same. */
  readonly inRecord: 'values' | 'masked';
}

/** Columns beside the document: what is decided by under the organization's lock, or when a request comes in. */
export type SettingColumn = keyof Pick<
  Row<'Organization'>,
  'maxConcurrentRuns' | 'apiKeyMaxDays' | 'allowedDomains' | 'featureFlags'
>;

export interface Setting<V> extends Rights {
  /** What it is while nothing was chosen. */
  readonly initial: V;
  /** What it may become, and as what it is kept. */
  readonly check: z.ZodType<V>;
  /** Where it is kept, if not in the document. */
  readonly column?: SettingColumn;
}

const USUAL: Rights = { needs: 'organization:update', isVendors: false, isPromotable: true, inRecord: 'values' };
/** What somebody asks for help with. */
const OF_WORK: Rights = { ...USUAL, isVendors: true };
const OF_HOSTS: Rights = { ...USUAL, isPromotable: false };
const OF_PEOPLE: Rights = { ...OF_HOSTS, inRecord: 'masked' };
/** What watches over those who change the rest; of approvals it names people and agents. */
const OF_OWNERS: Rights = { ...USUAL, needs: 'OWNER', isPromotable: false };

const NOT_NULL = 'Must not be null.';
const settingText = z.string().trim().min(1, 'Must not be blank.').max(100, 'At most 100 characters.');
const domainName = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;
const eachOnce = (list: readonly string[]): boolean => new Set(list).size === list.length;
const fallback = z.array(settingText, NOT_NULL).max(10, 'At most 10.').refine(eachOnce, 'Must name each once.');
const yesOrNo = z.boolean(NOT_NULL);
const upTo = (most: number) =>
  z
    .int('Must be a whole number.')
    .min(1, 'At least 1.')
    .max(most, `At most ${most.toLocaleString('en')}.`);

const hours = (most: number) => upTo(most).nullable();
const idText = z.string().min(1, 'Must not be blank.').max(40, 'At most 40 characters.');

/** Of each kind what belongs to it, and nothing else. */
const requirement = z
  .object({
    kind: z.enum(ApprovalRequirementKind, NOT_NULL),
    costMicros: z
      .int('Must be a whole number.')
      .min(0, 'At least 0.')
      .max(1e12, 'At most 1,000,000,000,000.')
      .nullish()
      .transform((micros) => micros ?? null),
    agentId: idText.nullish().transform((id) => id ?? null),
  })
  .refine(({ kind, costMicros }) => (kind === 'RUNS_OVER') === (costMicros !== null), {
    path: ['costMicros'],
    message: 'RUNS_OVER has it, and no other kind.',
  })
  .refine(({ kind, agentId }) => (kind === 'AGENT') === (agentId !== null), {
    path: ['agentId'],
    message: 'AGENT has it, and no other kind.',
  });

/** Checked as a whole: a path into it would repeat the names that the client sent. */
const featureFlags = z
  .record(z.string(), z.unknown(), NOT_NULL)
  .refine((flags) => Object.keys(flags).every(isFeature), `There are ${FEATURE_NAMES.join(', ')}.`)
  .refine(
    (flags) => Object.values(flags).every((flag) => typeof flag === 'boolean'),
    'Must be true or false, each flag.',
  )
  .pipe(z.record(z.string(), z.boolean()));

/**
 * Every setting there is, in one place: the contract's types demand the paths, and all that reads, checks, compares, copies
 * or records settings goes by this table.
 */
export const SETTINGS: { readonly [P in SettingPath]: Setting<SettingValue<P>> } = {
  'agentExecution.defaultModel': { ...OF_WORK, initial: null, check: settingText.nullable() },
  'agentExecution.defaultProvider': { ...OF_WORK, initial: null, check: settingText.nullable() },
  'agentExecution.maxConcurrentRuns': { ...USUAL, initial: 10, check: upTo(10_000), column: 'maxConcurrentRuns' },
  'agentExecution.executors': { ...OF_HOSTS, initial: 'SHARED', check: z.enum(ExecutorChoice, NOT_NULL) },
  'security.externalAgentPolicy': { ...USUAL, initial: 'DENY', check: z.enum(ExternalAgentPolicy, NOT_NULL) },
  'security.allowedDomains': {
    ...OF_HOSTS,
    initial: [],
    check: z
      .array(z.string().trim().toLowerCase().regex(domainName, 'Not a domain name.'))
      .max(100, 'At most 100 domains.')
      // Each version of the settings has them twice.
      .refine((domains) => domains.join('').length <= 4000, 'At most 4,000 characters together.'),
    column: 'allowedDomains',
  },
  'security.apiKeyMaxDays': { ...USUAL, initial: 365, check: upTo(3650), column: 'apiKeyMaxDays' },
  'security.membership': { ...USUAL, needs: 'OWNER', initial: 'OPEN', check: z.enum(MembershipRule, NOT_NULL) },
  'providerRouting.llmPreference': { ...OF_WORK, initial: null, check: settingText.nullable() },
  'providerRouting.llmFallback': { ...OF_WORK, initial: [], check: fallback },
  'providerRouting.imagePreference': { ...OF_WORK, initial: null, check: settingText.nullable() },
  'providerRouting.imageFallback': { ...OF_WORK, initial: [], check: fallback },
  'providerRouting.fallbackEnabled': { ...OF_WORK, initial: true, check: yesOrNo },
  'providerRouting.costOptimization': { ...OF_WORK, initial: false, check: yesOrNo },
  'branding.displayName': { ...OF_WORK, initial: null, check: nameText.nullable() },
  'branding.logoUrl': { ...OF_HOSTS, initial: null, check: httpsUrl.nullable() },
  'branding.colours': { ...OF_WORK, initial: null, check: coloursThatContrast.nullable() },
  'branding.supportEmail': { ...OF_PEOPLE, initial: null, check: emailText.nullable() },
  'support.access': { ...OF_OWNERS, initial: 'READ', check: z.enum(SupportAccess, NOT_NULL) },
  'approval.requireFor': { ...OF_OWNERS, initial: [], check: z.array(requirement, NOT_NULL).max(10, 'At most 10.') },
  'approval.approvers': {
    ...OF_OWNERS,
    initial: [],
    check: z.array(idText, NOT_NULL).max(20, 'At most 20.').refine(eachOnce, 'Must name each once.'),
  },
  'approval.order': { ...OF_OWNERS, initial: 'ANY', check: z.enum(ApproverOrder, NOT_NULL) },
  'approval.autoApproveAfterHours': { ...OF_OWNERS, initial: null, check: hours(720) },
  'approval.escalationAfterHours': { ...OF_OWNERS, initial: null, check: hours(719) },
  'approval.escalationTo': { ...OF_OWNERS, initial: null, check: idText.nullable() },
  'approval.allowSelfApproval': { ...OF_OWNERS, initial: false, check: yesOrNo },
  featureFlags: { ...USUAL, initial: {}, check: featureFlags, column: 'featureFlags' },
};

/** Every path, in the order of the table. */
export const SETTING_PATHS = Object.keys(SETTINGS) as readonly SettingPath[];

export const isSettingPath = (path: string): path is SettingPath => Object.hasOwn(SETTINGS, path);
