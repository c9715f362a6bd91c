/** What another organization's p99 may come to, as often as its own. */
const MAX_RATIO = 2;

const KINDS = ['reads', 'writes'];
const round = (value) => Math.round(value * 10) / 10;
const at = (times, share) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;

const figuresOf = ({ times, refused, latestMs, loop, cpuMs }) => ({
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
});

/** All quiet times together: they were taken before each trial, so that a machine that changes changes them alike. */
const together = (seen) => ({
  times: Object.fromEntries(KINDS.map((kind) => [kind, seen.flatMap(({ times }) => times[kind])])),
  refused: Object.assign({}, ...seen.map(({ refused }) => refused)),
  latestMs: Math.max(...seen.map(({ latestMs }) => latestMs)),
  loop: { p99: Math.max(...seen.map(({ loop }) => loop.p99)), max: Math.max(...seen.map(({ loop }) => loop.max)) },
  cpuMs: seen.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
});

/** What was seen, and what of it breaks the promise. */
export function judge({ what, seconds, quietSeen, seen }) {
  const quiet = figuresOf(together(quietSeen));
  const trials = seen.map(({ name, isBound, told, ...rest }) => {
    const figures = figuresOf(rest);
    const ratios = Object.fromEntries(
      KINDS.map((kind) => [kind, Math.round((figures[kind].p99 / quiet[kind].p99) * 100) / 100]),
    );
    return { name, isBound, ...figures, ratios, others: told };
  });
  const failures = trials.flatMap(({ name, isBound, ratios, refused }) => [
    ...KINDS.filter((kind) => isBound && !(ratios[kind] < MAX_RATIO)).map(
      (kind) => `The p99 of ${kind} was ${ratios[kind]} times the quiet one: ${name}.`,
    ),
    ...Object.entries(refused).map(([code, times]) => `${times} were answered ${code}: ${name}.`),
  ]);
  return { what, seconds, failures, quiet, trials };
}

/** A table whose columns are as wide as they need to be. */
function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

export function toMarkdown({ what, seconds, failures, quiet, trials }) {
  const cells = (name, { reads, writes, loop, latestMs }, { reads: r = '', writes: w = '' } = {}) => [
    name,
    reads.count,
    reads.p50,
    reads.p99,
    r && `×${r}`,
    writes.count,
    writes.p50,
    writes.p99,
    w && `×${w}`,
    round(loop.p99),
    round(loop.max),
    latestMs,
  ];
  return `# What one organization feels of others

${failures.length === 0 ? `In every trial its p99 stayed under ${MAX_RATIO} times its quiet p99.` : failures.map((each) => `- **${each}**`).join('\n')}

\`npm run fairness\` (${what}): the built gateway with its default settings. One organization reads and writes at a pace, whether it
is answered or not, by itself and then for ${seconds} s in each trial. The others ask from a process of their own, with as many requests at a time
as are named, each the next one as soon as the last is answered.

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
  ],
  [
    cells('by itself', quiet),
    ...trials.map((each) => cells(`${each.name}${each.isBound ? '' : ' (no bound)'}`, each, each.ratios)),
  ],
)}

"Loop held" is how long the gateway's event loop could not turn; "sent late" how long a request of the organization waited for this machine
before it was sent, which is not in its time.

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
