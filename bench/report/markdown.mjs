const number = (value, digits = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const spread = ({ median, low, high }) => `**${number(median, 2)}** (${number(low, 2)}–${number(high, 2)})`;
const table = (head, rows) =>
  [head, head.map((_, index) => (index === 0 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

/** The report that people read. */
export function toMarkdown({ settings, machine, contestants, operations, memory, pgbench, flat, coldStart, goals }) {
  const { walls, open, peer } = contestants;
  const sections = [
    `# Results

${settings.quick ? '**A quick run: it says that everything works, and nothing about speed.**\n\n' : ''}![Requests a second](chart.svg)

How each figure was measured is in [the benchmark's README](../README.md).

${machineText(settings, machine)}`,
    `## Goals

${table(
  ['Goal', 'Wanted', 'Measured', 'Reached'],
  goals.map(({ title, wanted, measured, note, reached }) => [
    note ? `${title} (${note})` : title,
    wanted,
    measured,
    reached ? 'yes' : '**no**',
  ]),
)}`,
    `## Throughput, as ratios

${walls} has everything on. The median of the rounds' own ratios, and the lowest and highest of them.

${table(
  ['Operation', 'Rows', `against ${open}`, 'server CPU saved without walls', `against ${peer}`],
  operations.map((each) => [
    each.title,
    each.rows ?? '',
    spread(each.isolation),
    `${number((1 - each.isolationCpu.median) * 100)} %`,
    spread(each.ahead),
  ]),
)}

On the nested list, pgbench reaches ${number(pgbench.perSecond)} operations a second with the same statements and values in
the same batches; ${walls} reaches **${number(pgbench.share * 100)} %** of that.`,
    `## In full

Medians. CPU in milliseconds for one request: of the server's process, and of its PostgreSQL backends.

${operations.map((each) => operationTable(each, contestants)).join('\n\n')}

Peak memory of a server's process over all operations: ${Object.entries(memory)
      .map(([name, mb]) => `${contestants[name]} ${number(mb)} MB`)
      .join(', ')}.`,
  ];
  if (flat) {
    sections.push(`## With ${number(settings.organizations + settings.added)} organizations

${walls} with ${number(settings.organizations)} organizations (${number(settings.runsInAll)} runs) and with ${number(settings.added)} more around
them (${number(settings.runsInLarge)} runs), asked for the same organizations, in turns.

${table(
  ['Operation', 'requests/s', 'with more', 'ratio'],
  flat.map(({ title, small, large, ratio }) => [
    title,
    number(small.perSecond),
    number(large.perSecond),
    spread(ratio),
  ]),
)}`);
  }
  sections.push(`## The embedded database

From the start of the process to the first answer with rows, on a database filled before: **${number(coldStart.medianMs)} ms** (${coldStart.startsMs
    .map((ms) => number(ms))
    .join(
      ', ',
    )}); the very first start, which makes the database and the demo data, ${number(coldStart.firstStartMs)} ms. Under load it
answers ${number(coldStart.perSecond)} lists a second, and the process, PostgreSQL included, peaks at ${number(coldStart.peakMb)} MB.`);
  return `${sections.join('\n\n')}\n`;
}

function operationTable({ title, contestants: measured }, titles) {
  const rows = Object.entries(measured).map(([name, m]) => [
    titles[name],
    number(m.perSecond),
    number(m.p50, 1),
    number(m.p99, 1),
    number(m.serverCpu, 2),
    number(m.databaseCpu, 2),
    number(m.statements, 1),
    number(m.roundTrips, 1),
    number(m.bytes),
  ]);
  const head = [
    `**${title}**`,
    'requests/s',
    'p50 ms',
    'p99 ms',
    'server CPU',
    'PostgreSQL CPU',
    'statements',
    'round trips',
    'bytes',
  ];
  return table(head, rows);
}

function machineText(settings, { cores, cpu, memoryGb, os, node, peerNode, wrk, postgres, packages, loadBefore }) {
  const versions = Object.entries(packages)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `Measured on ${cores} cores (${cpu}), ${memoryGb} GB, ${os}; servers, PostgreSQL and load generator share them. Load
average before: ${loadBefore.toFixed(2)}. PostgreSQL ${postgres.server_version} (shared_buffers ${postgres.shared_buffers}, fsync ${postgres.fsync},
synchronous_commit ${postgres.synchronous_commit}), pools of ${settings.poolSize}. orgate on Node ${node}, PostGraphile on Node ${peerNode}, which it needs. wrk
${wrk}, ${settings.connections} connections. ${versions}. ${number(settings.organizations)} organizations of ${settings.repositories} repositories of ${settings.runs} runs;
${settings.blocks} × ${settings.rounds} rounds of ${settings.seconds} s after ${settings.warmUpSeconds} s of warming up.`;
}
