/** What another organization's p99 may come to, as often as its own. */
const MAX_RATIO = 2;

const KINDS = ['reads', 'writes'];
const hundredths = (value) => Math.round(value * 100) / 100;
const round = (value) => Math.round(value * 10) / 10;
const at = (times, share) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;

const figuresOf = ({ times, refused, latestMs, loop, cpuMs, foreign, waited }) => ({
  ...Object.fromEntries(
    KINDS.map((kind) => [
      kind,
      {
        count: times[kind].length,
        p50: round(at(times[kind], 0.5)),
        p99: round(at(times[kind], 0.99)),
        max: round(Math.max(...times[kind])),
      },
    ]),
  ),
  refused,
  /** How late a request left at worst: a busy machine, and no fault of the gateway's. */
  latestMs: round(latestMs),
  /** How long the gateway's event loop was held. */
  loop,
  cpuMs: Math.round(cpuMs),
  /** The share of the machine that nobody had who takes part, at worst. */
  foreign: Math.round(foreign * 100) / 100,
  /** Of the time that its thread, and the database's processes, could have run the share in which there was no core for them. */
  waited: { gateway: hundredths(waited.gateway), database: hundredths(waited.database) },
});

/** All times together. The quiet ones were taken before each trial, so that a machine that changes changes them alike. */
const together = (seen) => ({
  times: Object.fromEntries(KINDS.map((kind) => [kind, seen.flatMap(({ times }) => times[kind])])),
  refused: sumOf(seen.map(({ refused }) => refused)),
  latestMs: Math.max(...seen.map(({ latestMs }) => latestMs)),
  loop: { p99: Math.max(...seen.map(({ loop }) => loop.p99)), max: Math.max(...seen.map(({ loop }) => loop.max)) },
  cpuMs: seen.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  foreign: Math.max(...seen.map(({ foreign }) => foreign)),
  waited: {
    gateway: at(
      seen.map(({ waited }) => waited.gateway),
      0.5,
    ),
    database: at(
      seen.map(({ waited }) => waited.database),
      0.5,
    ),
  },
});

/** By name: how often, in all rounds; of what is the slowest, the slowest. */
function sumOf(counts) {
  const sums = {};
  for (const [name, value] of counts.flatMap(Object.entries)) {
    if (typeof value === 'number') sums[name] = (sums[name] ?? 0) + value;
    else
      for (const [what, ms] of Object.entries(value))
        sums[name] = { ...sums[name], [what]: Math.max(sums[name]?.[what] ?? 0, ms) };
  }
  return sums;
}

/** What was seen, and what of it breaks the promise. */
export function judge({ what, seconds, rounds, quietSeen, seen }) {
  const quiet = figuresOf(together(quietSeen));
  const trials = seen.map(({ name, isBound, rounds: taken }) => {
    // Of each round its own: one in which the machine stood still is one, and not the p99 of all.
    const each = Object.fromEntries(
      KINDS.map((kind) => [
        kind,
        taken.map(({ times }) => hundredths(at(times[kind], 0.99) / quiet[kind].p99)).toSorted((a, b) => a - b),
      ]),
    );
    const ratios = Object.fromEntries(KINDS.map((kind) => [kind, at(each[kind], 0.5)]));
    return { name, isBound, ...figuresOf(together(taken)), ratios, each, others: sumOf(taken.map(({ told }) => told)) };
  });
  const failures = trials.flatMap(({ name, isBound, ratios, refused }) => [
    ...KINDS.filter((kind) => isBound && !(ratios[kind] < MAX_RATIO)).map(
      (kind) => `The p99 of ${kind} was ${ratios[kind]} times the quiet one: ${name}.`,
    ),
    ...Object.entries(refused).map(([code, times]) => `${times} were answered ${code}: ${name}.`),
  ]);
  return { what, seconds, rounds, failures, quiet, trials };
}

/** A table whose columns are as wide as they need to be. */
function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

export function toMarkdown({ what, seconds, rounds, failures, quiet, trials }) {
  const ratio = (kind, { ratios, each } = {}) => (ratios ? `×${ratios[kind]} (${each[kind].join(', ')})` : '');
  const percent = (share) => `${Math.round(share * 100)} %`;
  const cells = (name, { reads, writes, loop, latestMs, foreign, waited }, trial) => [
    name,
    reads.count,
    reads.p50,
    reads.p99,
    ratio('reads', trial),
    writes.count,
    writes.p50,
    writes.p99,
    ratio('writes', trial),
    round(loop.p99),
    round(loop.max),
    latestMs,
    percent(foreign),
    percent(waited.gateway),
    percent(waited.database),
  ];
  return `# What one organization feels of others

${failures.length === 0 ? `In every trial its p99 stayed under ${MAX_RATIO} times its quiet p99.` : failures.map((each) => `- **${each}**`).join('\n')}

\`npm run fairness\` (${what}): the built gateway with its default settings. One organization reads and writes at a pace, whether it
is answered or not, by itself and then for ${seconds} s in each trial, ${rounds} rounds of all. The others ask from a process of their own, with as many
requests at a time as are named, each the next one as soon as the last is answered. What counts is the median of the rounds; all of them stand
behind it, as often as the p99 of all that was quiet.

${table(
  [
    'milliseconds',
    'reads',
    'p50',
    'p99',
    'to quiet',
    'writes',
    'p50',
    'p99',
    'to quiet',
    'loop held p99',
    'at most',
    'sent late',
    'other work',
    'no core: gateway',
    'database',
  ],
  [
    cells('by itself', quiet),
    ...trials.map((each) => cells(`${each.name}${each.isBound ? '' : ' (no bound)'}`, each, each)),
  ],
)}

"Loop held" is how long the gateway's event loop could not turn; "sent late" how long a request of the organization waited for this machine
before it was sent, which is not in its time; "other work" the share of the machine that nobody had who takes part, at worst (of PostgreSQL its
background is in it); "no core" the share of the time that the gateway's thread, and the database's processes, could have run and another ran
in their place.

${table(
  ['what the others were told', '', 'gateway, CPU seconds'],
  trials.map(({ name, others, cpuMs }) => [
    name,
    Object.entries(others)
      .map(
        ([code, times]) =>
          `${typeof times === 'object' ? JSON.stringify(times).replaceAll(/["{}]/g, '') : times} ${code}`,
      )
      .join(', '),
    round(cpuMs / 1000),
  ]),
)}
`;
}
