import { expect, test } from '@jest/globals';
import { chooseProvider, listProviders, type Paid } from '../../../src/domains/provider/routing/index.js';
import { readSettings } from '../../../src/domains/organization/settings/index.js';

/** The same numbers each time (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const NAMES = ['anthropic', 'openai', 'google', 'mistral', 'local', 'none-such'];

/** What the settings say, what is known of each name, and whether cost matters. */
interface World {
  readonly preference: string | null;
  readonly fallback: readonly string[];
  readonly fallbackEnabled: boolean;
  readonly usual: string | null;
  readonly costOptimization: boolean;
  readonly of: ReadonlyMap<string, { readonly isKnown: boolean; readonly isWell: boolean; readonly paid: Paid | null }>;
}

function makeWorld(random: (below: number) => number): World {
  const some = (chance: number) => random(100) < chance;
  const paid = (): Paid | null =>
    some(25) ? null : { costMicros: BigInt(random(6) * 10), quantity: BigInt(random(4) * 10) };
  return {
    preference: some(70) ? (NAMES[random(NAMES.length)] ?? null) : null,
    fallback: NAMES.filter(() => some(45)).toSorted(() => random(3) - 1),
    fallbackEnabled: some(80),
    usual: some(60) ? (NAMES[random(NAMES.length)] ?? null) : null,
    costOptimization: some(50),
    of: new Map(NAMES.map((name) => [name, { isKnown: some(70), isWell: some(70), paid: paid() }])),
  };
}

/** What it is to be, worked out another way: everyone who can be called in one order, and the first of them. */
function expected({ preference, fallback, fallbackEnabled, usual, costOptimization, of }: World) {
  const wanted = [preference, ...(fallbackEnabled ? fallback : [])].filter((name) => name !== null);
  const list = wanted.filter((name, index) => wanted.indexOf(name) === index);
  const isUsual = list.length === 0;
  if (isUsual && usual !== null) list.push(usual);
  const price = (name: string): number => {
    const paid = of.get(name)?.paid;
    return paid && paid.quantity > 0n ? Number(paid.costMicros) / Number(paid.quantity) : Infinity;
  };
  const places = list
    .map((name, place) => ({ name, place, price: costOptimization ? price(name) : 0 }))
    .filter(({ name }) => of.get(name)?.isKnown && of.get(name)?.isWell);
  // Infinity is not less than itself, and their difference is no number.
  const [best] = places.toSorted((a, b) => (a.price === b.price ? a.place - b.place : a.price < b.price ? -1 : 1));
  const passedOver = list.slice(0, best?.place ?? list.length).map((provider) => {
    const { isKnown, isWell } = of.get(provider) ?? { isKnown: false, isWell: true };
    return { provider, reason: !isKnown ? 'UNKNOWN' : !isWell ? 'UNHEALTHY' : 'COSTLIER' };
  });
  const isDearerAhead = passedOver.some(({ reason }) => reason === 'COSTLIER');
  const reason = !best
    ? 'UNAVAILABLE'
    : isUsual
      ? 'DEFAULT'
      : isDearerAhead
        ? 'CHEAPEST'
        : best.name === preference
          ? 'PREFERRED'
          : 'FALLBACK';
  return { name: best?.name ?? null, reason, passedOver };
}

const settingsOf = ({ preference, fallback, fallbackEnabled, usual }: World, kind: 'llm' | 'image') =>
  readSettings({
    settings: {
      [`providerRouting.${kind}Preference`]: preference,
      [`providerRouting.${kind}Fallback`]: [...fallback],
      'providerRouting.fallbackEnabled': fallbackEnabled,
      'agentExecution.defaultProvider': usual,
    },
    maxConcurrentRuns: 10,
    apiKeyMaxDays: 365,
    allowedDomains: [],
    featureFlags: {},
  });

test('of 20,000 worlds each is decided as a small model decides it, and never leaves the list', () => {
  const random = randomFrom(16);
  const seen = new Set<string>();
  for (let round = 0; round < 20_000; round += 1) {
    const world = makeWorld(random);
    const kind = round % 2 === 0 ? 'llm' : 'image';
    const list = listProviders(settingsOf(world, kind), kind === 'llm' ? 'LLM' : 'IMAGE');
    const paid = new Map([...world.of].flatMap(([name, each]) => (each.paid ? [[name, each.paid] as const] : [])));
    const chosen = chooseProvider(list, {
      known: new Set(NAMES.filter((name) => world.of.get(name)?.isKnown)),
      unhealthy: new Set(NAMES.filter((name) => !world.of.get(name)?.isWell)),
      paid: world.costOptimization ? paid : null,
    });
    expect([world, chosen]).toEqual([world, expected(world)]);
    const allowed = [world.preference, ...world.fallback, ...(list.isUsual ? [world.usual] : [])];
    if (chosen.name !== null) expect(allowed).toContain(chosen.name);
    seen.add(chosen.reason);
    for (const { reason } of chosen.passedOver) seen.add(reason);
  }
  // All that can be said was said.
  expect([...seen].toSorted()).toEqual(
    ['CHEAPEST', 'COSTLIER', 'DEFAULT', 'FALLBACK', 'PREFERRED', 'UNAVAILABLE', 'UNHEALTHY', 'UNKNOWN'].toSorted(),
  );
});

test('means are compared exactly, where numbers of JavaScript would be alike', () => {
  const paid = new Map([
    ['a', { costMicros: 9_007_199_254_740_993n, quantity: 9_007_199_254_740_992n }],
    ['b', { costMicros: 9_007_199_254_740_992n, quantity: 9_007_199_254_740_992n }],
  ]);
  const list = { names: ['a', 'b'], preferred: 'a', isUsual: false };
  const { name } = chooseProvider(list, { known: new Set(['a', 'b']), unhealthy: new Set(), paid });
  expect(name).toBe('b');
});
