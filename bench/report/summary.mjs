import { CONTESTANTS } from '../servers/start.mjs';
import { OPERATIONS } from '../world/operations.mjs';

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Ratios of phases that followed one another, not of the medians: what the machine did meanwhile falls out of them. */
function ratio(own, other, read = ({ perSecond }) => perSecond) {
  const all = own.map((phase, index) => read(phase) / read(other[index]));
  return { median: median(all), low: Math.min(...all), high: Math.max(...all) };
}

const medians = (phases) =>
  Object.fromEntries(Object.keys(phases[0]).map((field) => [field, median(phases.map((phase) => phase[field]))]));

/** Everything that was measured, as medians and ratios, and what was hoped for beside it. */
export function summarize({
  settings,
  machine,
  operations,
  names,
  rowCounts,
  counts,
  main,
  pgbench,
  large,
  coldStart,
  runs,
}) {
  const titles = new Map([...OPERATIONS.map(({ name, title }) => [name, title]), ['mixed', 'Mixed']]);
  const byOperation = operations.map((name) => {
    const phases = main.phases.get(name);
    const [walls, open, peer] = ['walls', 'open', 'peer'].map((each) => phases.get(each));
    return {
      name,
      title: titles.get(name),
      rows: rowCounts.get(name) ?? null,
      contestants: Object.fromEntries(
        names.map((each) => [each, { ...medians(phases.get(each)), ...counts.get(name).get(each) }]),
      ),
      isolation: ratio(walls, open),
      isolationCpu: ratio(open, walls, ({ serverCpu }) => serverCpu),
      ahead: ratio(walls, peer),
    };
  });
  const nested = byOperation.find(({ name }) => name === 'nested');
  const memory = Object.fromEntries(names.map((name) => [name, main.peakMb.get(name)]));
  const flat =
    large &&
    [...large.phases.keys()].map((name) => ({
      name,
      title: titles.get(name),
      small: medians(large.phases.get(name).get('small')),
      large: medians(large.phases.get(name).get('large')),
      ratio: ratio(large.phases.get(name).get('large'), large.phases.get(name).get('small')),
    }));
  const result = {
    settings: publicSettings(settings, runs, large?.rows),
    machine,
    contestants: Object.fromEntries(names.map((name) => [name, CONTESTANTS[name].title])),
    operations: byOperation,
    memory,
    pgbench: { perSecond: median(pgbench), share: nested.contestants.walls.perSecond / median(pgbench) },
    flat,
    coldStart: { ...coldStart, medianMs: median(coldStart.startsMs) },
  };
  return { ...result, goals: goals(result) };
}

const publicSettings = ({ adminUrl: _adminUrl, ...rest }, runs, largeRuns) => ({
  ...rest,
  runsInAll: runs,
  runsInLarge: largeRuns ?? null,
});

/** Each goal, the figure that speaks to it and whether it was reached. */
function goals({ operations, memory, flat, coldStart }) {
  const least = (list, read) => list.reduce((low, each) => (read(each).median < read(low).median ? each : low));
  const isolation = least(operations, (each) => each.isolation);
  const nested = operations.find(({ name }) => name === 'nested');
  const others = least(
    operations.filter(({ name }) => name !== 'nested'),
    (each) => each.ahead,
  );
  const list = [
    goal('Isolation is free: both walls, against none', 0.95, isolation.isolation.median, `least: ${isolation.title}`),
    goal('Nested list, against PostGraphile', 1.5, nested.ahead.median),
    goal('Every other operation, against PostGraphile', 1, others.ahead.median, `least: ${others.title}`),
    goal('Less memory than PostGraphile (its peak by ours)', 1, memory.peer / memory.walls),
  ];
  for (const { title, ratio: measured } of flat ?? []) {
    list.push(goal(`Flat at many organizations: ${title}`, 0.9, measured.median));
  }
  return [
    ...list,
    limit('Cold start to the first answer, embedded database', 3000, coldStart.medianMs, 'ms'),
    limit('Peak memory under load, on PostgreSQL', 300, memory.walls, 'MB'),
    limit('Peak memory under load, with the embedded database in the process', 300, coldStart.peakMb, 'MB'),
  ];
}

const goal = (title, atLeast, measured, note = '') => ({
  title,
  wanted: `≥ ${atLeast.toFixed(2)}`,
  measured: measured.toFixed(2),
  note,
  reached: measured >= atLeast,
});
const limit = (title, atMost, measured, unit) => ({
  title,
  wanted: `< ${atMost} ${unit}`,
  measured: `${measured.toFixed(0)} ${unit}`,
  note: '',
  reached: measured < atMost,
});
