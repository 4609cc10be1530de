import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { messageOf } from '../../src/base/errors.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { checkSequences, type SequenceFailure } from './check-sequences.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const USAGE = `usage: npm run sequences -- [--count N] [--seed N] [--workers N] [--path PATH] [--shrink]

  --count    sequences to run; 200 when absent
  --seed     decides them all; a random one when absent
  --workers  sequences at a time, each with a daemon of its own; 2 when absent
  --path     runs only the one sequence that a failure has named, with its seed
  --shrink   look for a shorter sequence that fails too; takes many runs
`;

try {
  process.exitCode = await main(interruptSignal());
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      workers: { type: 'string', default: '2' },
      path: { type: 'string' },
      shrink: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    write(USAGE);
    return 0;
  }
  const { path } = values;
  const [count, seed] = [whole('count', values.count), whole('seed', values.seed)];
  const workerCount = path === undefined ? whole('workers', values.workers) : 1;
  await ensureDefaultImage(ROOT);
  write(`${path === undefined ? count : 1} sequences, seed ${seed}, ${workerCount} at a time\n`);
  const only = path === undefined ? {} : { path };
  const note = (text: string): void => write(`${text}\n`);
  const request = { seed, count, workerCount, isShrunk: values.shrink, note, signal };
  const { runCount, failures } = await checkSequences({ ...request, ...only });
  for (const failure of failures) write(describeFailure(failure));
  write(`${runCount} sequences run, ${failures.length} failed (seed ${seed})\n`);
  return failures.length === 0 ? 0 : 1;
}

function describeFailure({ seed, path, message }: SequenceFailure): string {
  return `\nFAILED: ${message}\nto run it again: npm run sequences -- --seed ${seed} --path ${path}\n\n`;
}

function whole(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new Error(`--${name} "${text}" is not a whole number`);
}

function write(text: string): void {
  process.stdout.write(text);
}
