import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';

interface Service {
  readonly command?: string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly configs?: readonly { readonly source: string }[];
  /** Each `<name>:<path>`. */
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly [setting: string]: unknown;
}

/** compose.yaml as Compose reads it. */
export interface Composition {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** @param variables in the places of `${NAME}`, `${NAME:-default}` and `${NAME:?}`, the last of which must be there */
export async function readCompose(variables: Readonly<Record<string, string>>): Promise<Composition> {
  const text = await readFile(new URL('../../compose.yaml', import.meta.url), 'utf8');
  const fill = (value: string) =>
    value.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, byDefault: string) => {
      if (variables[name] === undefined && kind === '?') throw new Error(`${name} is needed`);
      return variables[name] ?? byDefault;
    });
  return parse(text, (_key, value: unknown) => (typeof value === 'string' ? fill(value) : value)) as Composition;
}
