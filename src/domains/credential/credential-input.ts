import { z } from 'zod';
import { CredentialKind } from '../../generated/enums.js';
import { nameText } from '../../resource/input.js';

/** As it was given: keys in PEM have line breaks, and some end with one. */
export const secretText = z
  .string('Must not be null.')
  .refine((secret) => secret.trim() !== '', 'Must not be blank.')
  .max(10_000, 'At most 10,000 characters.');

const MAX_CONFIG = 4096;

/** Checked as a whole: a path into it would repeat the names that the client sent. */
const config = z
  .record(z.string(), z.json('Not JSON.'), 'Must not be null.')
  .refine((value) => JSON.stringify(value).length <= MAX_CONFIG, 'At most 4,096 characters as JSON.');

export const createInput = z.object({
  kind: z.enum(CredentialKind),
  name: nameText,
  provider: nameText,
  secret: secretText,
  enabled: z
    .boolean()
    .nullish()
    .transform((enabled) => enabled ?? true),
  sharedExecutors: z
    .boolean()
    .nullish()
    .transform((shared) => shared ?? false),
  config: config.nullish().transform((value) => value ?? {}),
});

export const updateInput = z.object({
  id: z.string(),
  name: nameText.optional(),
  provider: nameText.optional(),
  enabled: z.boolean('Must not be null.').optional(),
  sharedExecutors: z.boolean('Must not be null.').optional(),
  config: config.optional(),
  expectedUpdatedAt: z.date().nullish(),
});

/** What is shown of a secret: too little of a long one to guess the rest by, and nothing of a short one. */
export const lastFourOf = (secret: string): string | null => (/^\S{16,}$/.test(secret) ? secret.slice(-4) : null);

export const lentInput = z
  .array(z.string())
  .max(20, 'At most 20.')
  .refine((ids) => new Set(ids).size === ids.length, 'Must name each once.');
