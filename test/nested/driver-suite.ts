import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countsLine, skipsText } from '../../scripts/test/counts.ts';
import { runNodeTests } from '../../scripts/test/node-tests.ts';

// Runs in the host: the driver suite as `npm test` runs it, with the time that an emulated host needs.

const MINUTE_MS = 60_000;

const counts = await runNodeTests(['test/conformance/vm-driver/qemu.test.ts'], {
  root: join(import.meta.dirname, '..', '..'),
  concurrency: 1,
  timeoutMs: 15 * MINUTE_MS,
  fileTimeoutMs: 55 * MINUTE_MS,
  scratch: tmpdir(),
  logs: () => [],
  write: (text) => process.stdout.write(text),
  onFailure() {},
});
process.stdout.write(`${skipsText(counts)}${countsLine(counts)}\n`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
