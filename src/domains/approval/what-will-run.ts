import { createHash } from 'node:crypto';
import { canonicalJson } from '../../canonical-json.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What stands for the input of a run, which may be long and never changes. @param input as the store gives it back */
export const digestOf = (input: unknown): string => sha256(canonicalJson(input));

/** What a run will do. */
export interface WhatWillRun {
  /** Null once it is deleted, as its version. */
  readonly agentId: string | null;
  readonly agentVersion: number | null;
  readonly inputDigest: string;
  readonly estimatedCostMicros: bigint | null;
}

/** The hash that approvals are bound to: of what will run, and of nothing beside it. In hexadecimal. */
export const hashOf = ({ agentId, agentVersion, inputDigest, estimatedCostMicros }: WhatWillRun): string =>
  sha256(canonicalJson(['RUN', agentId, agentVersion, inputDigest, estimatedCostMicros?.toString() ?? null]));
