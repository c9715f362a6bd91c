import { createRequire } from 'node:module';
import type * as Shield from 'graphql-shield';

/**
 * graphql-shield's ES module imports `isUndefined` from `node:util`, which Node.js 23 removed, and so does not load there.
 * Its CommonJS build calls it in `chain` and `race` only, which stay here.
 */
const library = createRequire(import.meta.url)('graphql-shield') as typeof Shield;

export const { rule, shield } = library;
