import type { ErrorCode, ErrorDetail } from '../../errors.js';

/** What is refused before there is an operation, in GraphQL's shape. */
export const errorBody = (code: ErrorCode, message: string, requestId: string, detail: ErrorDetail = {}) => ({
  errors: [{ message, extensions: { code, ...detail, requestId } }],
});
