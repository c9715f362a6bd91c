/** Stands for src/data/start/embedded.ts in servers of `npm run dev`, which has the embedded database open for all of them. */
export const openEmbeddedDatabase = () =>
  Promise.resolve({ socketDirectory: process.env.ORGATE_DEV_SOCKET, close: () => Promise.resolve() });
