import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/base/errors.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { prepareHost } from './host.ts';
import { HOST_CHECKS } from './host-checks.ts';
import { ChecksRun } from './run-checks.ts';

// Runs on KVM what `npm test` runs under emulation. The host is one of our VMs, whose emulated processor has
// AMD's virtualization.

const ROOT = join(import.meta.dirname, '..', '..');
const LOGS = join(ROOT, '.cache', 'nested-logs');
const USAGE = `usage: npm run nested -- [--only TEXT] [--test TEXT]

  --only   runs the checks whose name holds this text, and those that every other needs
  --test   of a check that is a suite, runs the tests whose name holds this text

Logs of each check go to ${LOGS}.
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, test: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const signal = interruptSignal();
  const begun = performance.now();
  const scratch = await mkdtemp(join(tmpdir(), 'nested-'));
  try {
    say('making the host');
    const startHost = await prepareHost(scratch, { root: ROOT, signal });
    const { only = '', test: onlyTest } = values;
    const checks = new ChecksRun({ startHost, checks: HOST_CHECKS, only, onlyTest, logsDir: LOGS, say });
    await checks.run({ signal });
    const minutes = ((performance.now() - begun) / 60_000).toFixed(0);
    say(
      `${minutes} min at load ${loadavg()[2]?.toFixed(1)}, ${checks.panics} panics of the host; logs: ${LOGS}`,
    );
    const skipped = checks.skipped > 0 ? `, ${checks.skipped} skipped` : '';
    say(`${checks.passed} passed, ${checks.failed} failed${skipped}`);
    return checks.failed === 0 ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
