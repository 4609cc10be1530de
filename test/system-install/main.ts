import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/base/errors.ts';
import { prepareHost } from '../nested/host.ts';
import { ChecksRun } from '../nested/run-checks.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { SYSTEM_CHECKS } from './checks.ts';

// Installs the services in a host with systemd, which is one of our VMs, whose emulated processor has KVM.

const ROOT = join(import.meta.dirname, '..', '..');
const LOGS = join(ROOT, '.cache', 'system-install-logs');
const USAGE = `usage: npm run system-install -- [--only TEXT]

  --only   runs the checks whose name holds this text, and those that every other needs

Logs of each check go to ${LOGS}.
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const signal = interruptSignal();
  const scratch = await mkdtemp(join(tmpdir(), 'system-install-'));
  try {
    say('making the host');
    const startHost = await prepareHost(scratch, { root: ROOT, signal });
    const { only = '' } = values;
    const run = new ChecksRun({
      startHost,
      checks: SYSTEM_CHECKS,
      only,
      onlyTest: undefined,
      logsDir: LOGS,
      say,
    });
    await run.run({ signal });
    say(`${run.passed} passed, ${run.failed} failed; ${run.panics} panics of the host; logs: ${LOGS}`);
    return run.failed === 0 ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
