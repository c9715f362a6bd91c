/**
 * Whether a Host header names this very machine. What exists for development only answers to no other name, so that no
 * web page elsewhere can reach it by pointing a name of its own here.
 */
export const isLocalHost = (hostname: string): boolean =>
  /^(localhost|[a-z0-9.-]+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname);
