/** Where a deployment of its own keeps the organizations that are homed there. */
export interface Region {
  /** Letters only: it stands in the names of organizations. */
  readonly tag: string;
  /** What its cloud calls it. */
  readonly cloudRegion: string;
  /** The origin that its deployment is reached at; null where nobody said. */
  readonly baseUrl: string | null;
}

export interface Regions {
  readonly all: readonly Region[];
  /** Which of them this deployment is; null where nobody said. */
  readonly here: Region | null;
}

/** The region of a cloud's name or a tag. */
export const regionNamed = (regions: readonly Region[], name: string): Region | null =>
  regions.find(({ tag, cloudRegion }) => name === tag || name === cloudRegion) ?? null;

const MOST_REGIONS = 20;

/** Reads `us-east-1 useast https://useast.example.com, eu-central-1 eucentral`. @returns what is wrong with it, as text */
export function parseRegions(text: string): readonly Region[] | string {
  const regions: Region[] = [];
  for (const each of text.split(',')) {
    const [cloudRegion = '', tag = '', url, ...more] = each.trim().split(/\s+/);
    if (!/^[a-z][a-z0-9-]{1,39}$/.test(cloudRegion) || !/^[a-z]{2,20}$/.test(tag) || more.length > 0) {
      return 'must be regions, comma-separated, each its name in the cloud, a tag of letters and, if known, its origin';
    }
    const baseUrl = url === undefined ? null : originOf(url);
    if (url !== undefined && baseUrl === null) return 'must give each region an https:// origin, and no path';
    regions.push({ cloudRegion, tag, baseUrl });
  }
  const names = regions.flatMap(({ tag, cloudRegion }) => [tag, cloudRegion]);
  if (new Set(names).size !== names.length) return 'must name each region and each tag once';
  return regions.length > MOST_REGIONS ? `must be at most ${MOST_REGIONS} regions` : regions;
}

/** Plain http is for deployments that stand side by side on one machine. */
function originOf(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.href !== `${url.origin}/`) return null;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal(url.hostname)) ? url.origin : null;
}

const isLocal = (host: string): boolean => host === 'localhost' || host === '127.0.0.1' || host === '[::1]';
