import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countsLine, skipsText } from '../../scripts/test/counts.ts';
import { literally, runNodeTests } from '../../scripts/test/node-tests.ts';
import { formatTestLine } from './test-lines.ts';

// Runs in the nested host: the driver suite as `npm test` runs it, with the time that an emulated host needs.
// usage: driver-suite.ts [--test TEXT] [NAME...]; skips tests with these names, which have passed already.

const MINUTE_MS = 60_000;

const { values, positionals } = parseArgs({ options: { test: { type: 'string' } }, allowPositionals: true });
const counts = await runNodeTests(['test/nested/both-suites.ts'], {
  root: join(import.meta.dirname, '..', '..'),
  concurrency: 1,
  timeoutMs: 30 * MINUTE_MS,
  fileTimeoutMs: 170 * MINUTE_MS,
  scratch: tmpdir(),
  logs: () => [],
  write: (text) => process.stdout.write(text),
  onFailure() {},
  onTest: (test) => process.stdout.write(formatTestLine(test)),
  only: values.test === undefined ? undefined : new RegExp(literally(values.test)),
  leaveOut: positionals,
});
process.stdout.write(`${skipsText(counts)}${countsLine(counts)}\n`);
process.exit(counts.failed === 0 ? 0 : 1);
