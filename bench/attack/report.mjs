import { BOUNDS } from './settings.mjs';

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const round = (value) => Math.round(value * 10) / 10;

function timesOf({ ms, errors }) {
  const sorted = ms.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: round(at(sorted, 0.5)),
    p99: round(at(sorted, 0.99)),
    max: round(sorted.at(-1) ?? 0),
    errors: errors.length,
    firstErrors: errors.slice(0, 3),
  };
}

const phase = ({ operations, probes, latestMs }) => ({
  operations: timesOf(operations),
  livez: timesOf(probes),
  /** How late a request of the tenant left at worst: a busy machine, and no fault of the gateway's. */
  latestMs: round(latestMs),
});

/** What was seen, and what of it breaks a promise. */
export function judge({
  settings,
  machine,
  container,
  quiet,
  attacked,
  attacks,
  end,
  survivedSeconds,
  peak,
  lastWords,
}) {
  const tenant = { quiet: phase(quiet), attacked: phase(attacked) };
  const byAttack = Object.fromEntries([...attacks].map(([name, each]) => [name, withoutExamples(each)]));
  const findings = [...attacks].flatMap(([attack, { results, examples }]) =>
    Object.keys(results)
      .filter((result) => /^5\d\d|INTERNAL_SERVER_ERROR/.test(result))
      .map((result) => ({ attack, result, times: results[result], example: examples[result] })),
  );
  const median = tenant.attacked.operations.p50 / tenant.quiet.operations.p50;
  const internal = findings.filter(({ result }) => result.includes('INTERNAL_SERVER_ERROR'));
  const failures = [
    end && `The process ended after ${Math.round(survivedSeconds)} s, ${end.signal ?? `with status ${end.code}`}.`,
    peak.killed && `The kernel killed for want of memory.`,
    median > BOUNDS.medianRatio && `The median of the organization that works grew ${round(median)}-fold.`,
    tenant.attacked.operations.p99 > BOUNDS.p99Ms && `Its p99 was ${tenant.attacked.operations.p99} ms.`,
    tenant.attacked.operations.errors > 0 && `${tenant.attacked.operations.errors} of its operations failed.`,
    internal.length > 0 && `INTERNAL_SERVER_ERROR was answered to: ${internal.map(({ attack }) => attack).join(', ')}.`,
  ].filter(Boolean);
  const { attackSeconds, rate, memoryMiB, addresses, tenantRate } = settings;
  return {
    at: new Date().toISOString(),
    machine,
    settings: { attackSeconds, rate, memoryMiB, addresses, tenantRate, container },
    failures,
    process: {
      survived: !end,
      end,
      seconds: round(survivedSeconds),
      peakRssMb: round(peak.rssMb),
      containerPeakMb: peak.peakMb === null ? null : round(peak.peakMb),
      killedByKernel: peak.killed,
      lastWords,
    },
    tenant,
    findings,
    attacks: byAttack,
  };
}

const answeredOf = (results) => Object.values(results).reduce((sum, times) => sum + times, 0);

const withoutExamples = ({ sent, withheld, bytes, slowestMs, results }) => ({
  sent,
  withheld,
  /** Waited for when the attack was over, or the process. */
  unanswered: sent - answeredOf(results),
  megabytes: round(bytes / 1e6),
  slowestMs: Math.round(slowestMs),
  results,
});

/** A table whose columns are as wide as they need to be. */
function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

export function toMarkdown({ at: when, settings, machine, failures, process: gateway, tenant, findings, attacks }) {
  const sent = Object.values(attacks).reduce((sum, each) => sum + each.sent, 0);
  const row = (title, { count, p50, p99, max, errors }) => [title, count, p50, p99, max, errors];
  return `# The attack

${failures.length === 0 ? 'Every promise held.' : failures.map((each) => `- **${each}**`).join('\n')}

${Math.round(settings.attackSeconds)} s of ${Object.keys(attacks).length} attacks, ${settings.rate} requests a second from ${settings.addresses} addresses (${sent} were sent), against the built gateway with
default settings in a container of ${settings.memoryMiB} MiB (${settings.container}), while one organization asked ${settings.tenantRate} ordinary
operations a second. ${when.slice(0, 10)}; ${machine}.

${table(
  ['ms', 'asked', 'p50', 'p99', 'max', 'errors'],
  [
    row('operations, quiet', tenant.quiet.operations),
    row('operations, attacked', tenant.attacked.operations),
    row('`/livez`, quiet', tenant.quiet.livez),
    row('`/livez`, attacked', tenant.attacked.livez),
  ],
)}

${tenant.quiet.operations.p99 > BOUNDS.p99Ms ? '**This machine was not quiet before the attack either: the times say little.** ' : ''}The organization that works sent ${tenant.attacked.latestMs} ms late at worst: so long it waited for this machine, not for the gateway.
The process held ${gateway.peakRssMb} MB at most; all that counts in the container, cached files included, came to ${gateway.containerPeakMb ?? 'an unknown number of'} MB.${gateway.survived ? ' It lives, and was never started again.' : ''}
${gateway.lastWords.length > 0 ? `\n\`\`\`\n${gateway.lastWords.join('\n')}\n\`\`\`\n` : ''}
${tenant.attacked.operations.firstErrors.map((each) => `- An operation failed: \`${each}\`\n`).join('')}${findings.map(({ attack, result, times, example }) => `- ${attack}: ${result}, ${times} times; the first was ${code(example)}\n`).join('')}
${table(
  ['attack', 'sent', 'not sent', 'unanswered', 'MB back', 'slowest ms', 'answers'],
  Object.entries(attacks).map(([name, { sent: count, withheld, unanswered, megabytes, slowestMs, results }]) => [
    name,
    count,
    withheld,
    unanswered,
    megabytes,
    slowestMs,
    Object.entries(results)
      .map(([result, times]) => `${result} ×${times}`)
      .join(', '),
  ]),
)}

"Not sent" were due, and skipped: their sender had been told to come later, or too many of its requests waited for an answer. "Unanswered"
still waited for one at the end.
`;
}

const code = (text) => `\`${text.replaceAll('`', "'").replaceAll(/[^\x20-\x7e]/g, '.')}\``;
