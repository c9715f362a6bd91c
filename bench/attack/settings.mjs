import { parseArgs } from 'node:util';
import { readSettings as readBenchSettings } from '../settings.mjs';
import { ATTACKS } from './attacks.mjs';

const USAGE = `npm run attack -- [--minutes 10] [--quick] [--only <attack>[,<attack>]] [--rate 100] [--memory 512] [--write]

  --minutes   how long the attack goes on
  --quick     half a minute of it: says whether it works, and what falls at once
  --only      these attacks alone, each as often as all of them otherwise:
              ${ATTACKS.map(({ name }) => name).join(', ')}
  --rate      hostile requests a second, all attackers together
  --memory    of the container, in MiB
  --write     in place of the results that are kept; of the whole attack only
`;

/** What the gateway promises under attack. */
export const BOUNDS = { medianRatio: 2, p99Ms: 250 };

export function readAttackSettings(args) {
  const { minutes, quick, only, rate, memory, write } = read(args);
  const names = only?.split(',');
  const attacks = names ? ATTACKS.filter(({ name }) => names.includes(name)) : ATTACKS;
  const numbers = [minutes, rate, memory].map(Number);
  if (attacks.length === 0 || attacks.length < (names?.length ?? 0) || !numbers.every((each) => each > 0)) refuse();
  if (write && (quick || names || Number(minutes) < 10)) refuse();
  return {
    ...readBenchSettings([]),
    // One organization works, and the others attack.
    organizations: 13,
    quick,
    attacks,
    write,
    attackSeconds: quick ? 30 : Number(minutes) * 60,
    quietSeconds: quick ? 10 : 30,
    warmUpSeconds: quick ? 5 : 10,
    rate: Number(rate),
    memoryMiB: Number(memory),
    /** Ordinary operations a second, and looks at whether the event loop turns. */
    tenantRate: 40,
    probeRate: 40,
    /** 127.0.0.2 and so on; the well-behaved come from 127.0.0.1. */
    addresses: 30,
    /** Requests that wait for an answer, and connections that are held, before attackers wait as well. */
    mostInFlight: 400,
    mostHeld: 1000,
  };
}

/** @typedef {ReturnType<typeof readAttackSettings>} AttackSettings */

function read(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string', default: '10' },
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        rate: { type: 'string', default: '100' },
        memory: { type: 'string', default: '512' },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(error.message);
  }
  return refuse();
}

function refuse() {
  console.error(USAGE);
  process.exit(2);
}
