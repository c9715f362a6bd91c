export type { Spending as RateLimitParent } from '../../context/context.js';
