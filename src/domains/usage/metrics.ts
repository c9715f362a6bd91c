/** What can be recorded of what was used, beside what some plans have. Runs and calls are counted by the gateway itself. */
export const RECORDED = ['tokens', 'images', 'storage_bytes', 'missions_created', 'content_generated', 'content_published'];

/** Every metric of every organization, in the order in which they are answered. */
export const METRICS: readonly string[] = ['runs', 'tokens', 'images', 'api_calls', ...RECORDED.slice(2)];
