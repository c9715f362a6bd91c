import { readFile } from 'node:fs/promises';

export interface DemoOrganization {
  slug: string;
  /** What it was called before, and until when. */
  formerSlugs?: { slug: string; daysAgo: number }[];
  name: string;
  /** Of one that belongs to the set. */
  environment?: string;
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
  /** What it has people allow, set by whom; its newest run waits for that. */
  approval?: {
    by: string;
    daysAgo: number;
    overMicros: number;
    approvers: string[];
    waiting: { by: string; estimatedCostMicros: number };
  };
  /** Who of the deployment acted as whom, why, and what they asked for. */
  support?: { by: string; as: string; reason: string; daysAgo: number; minutes: number; fields: string }[];
  /** What the newest run that is under way was told to call, one after the other. */
  providers?: { name: string; reason: string; passedOver: { provider: string; reason: string }[] }[];
  /** Of the limit of its month so much is spent. */
  limitSpentPercent?: number;
  repositories: { name: string; agents: string[] }[];
}
export interface DemoWorld {
  people: { email: string; name: string; systemRole?: string }[];
  /** Organizations that belong together. */
  set: { name: string; base: string; project: string; madeBy: string };
  /** A machine of the deployment that works on their runs. */
  executor: { name: string; pool: string; registeredBy: string };
  organizations: DemoOrganization[];
  /** Each with its administrators by e-mail, and its organizations by slug. */
  accounts: { name: string; administrators: string[]; organizations: string[] }[];
}

/** What prisma/demo.json says. */
export const readDemoWorld = async (): Promise<DemoWorld> =>
  JSON.parse(await readFile(new URL('../../prisma/demo.json', import.meta.url), 'utf8')) as DemoWorld;
