import { readFile } from 'node:fs/promises';

export interface DemoOrganization {
  slug: string;
  /** What it was called before, and until when. */
  formerSlugs?: { slug: string; daysAgo: number }[];
  name: string;
  description: string;
  plan: string;
  defaultModel: string | null;
  defaultProvider: string | null;
  /** How people with an e-mail of its domain, which it holds, come in. */
  joining: { domain: string; joining: string; role: string } | null;
  /** Roles by e-mail. */
  members: Record<string, string>;
  /** How its settings changed, the first change first; each in the document, and no column. */
  settings?: { by: string; daysAgo: number; changes: Record<string, [unknown, unknown]> }[];
  /** Who of the deployment acted as whom, why, and what they asked for. */
  support?: { by: string; as: string; reason: string; daysAgo: number; minutes: number; fields: string }[];
  repositories: { name: string; agents: string[] }[];
}
export interface DemoWorld {
  people: { email: string; name: string; systemRole?: string }[];
  organizations: DemoOrganization[];
}

/** What prisma/demo.json says. */
export const readDemoWorld = async (): Promise<DemoWorld> =>
  JSON.parse(await readFile(new URL('../../prisma/demo.json', import.meta.url), 'utf8')) as DemoWorld;
