import { PLANS } from '../../permissions/features.js';
import type { SubscriptionPlan } from '../../generated/enums.js';

/** Requests in an organization. */
export const CALLS_METRIC = 'api_calls';

/** What can be recorded of what was used. Runs and calls are counted by the gateway itself. */
const RECORDED = ['tokens', 'images', 'storage_bytes', 'missions_created', 'content_generated', 'content_published'];

/** Every metric of every organization, in the order in which they are answered. */
export const METRICS: readonly string[] = ['runs', 'tokens', 'images', CALLS_METRIC, ...RECORDED.slice(2)];

/** What an organization of this plan can record. */
export const recordedBy = (plan: SubscriptionPlan): readonly string[] => [...RECORDED, ...PLANS[plan].metrics];
