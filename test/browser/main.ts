import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countsLine, skipsText } from '../../scripts/test/counts.ts';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { runNodeTests } from '../../scripts/test/node-tests.ts';
import { messageOf } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { APP_DIR, CHROMIUM } from './tools.ts';

// Opens pages of a dev server in a VM with a real browser. Not part of `npm test`, which needs neither a
// browser nor the npm registry.

const ROOT = join(import.meta.dirname, '..', '..');
const MINUTE_MS = 60_000;
const USAGE = `usage: npm run browser

Installs a dev server from the npm registry, runs it in a VM, and opens its page in headless Chromium: Debian's package
"chromium", or the program that BANGER_TEST_CHROMIUM names.
`;

process.exitCode = await main(interruptSignal()).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (!existsSync(CHROMIUM)) throw new Error(`there is no ${CHROMIUM}: apt install chromium`);
  await ensureDefaultImage(ROOT);
  await mkdir(APP_DIR, { recursive: true });
  await cp(join(import.meta.dirname, 'fixtures', 'app'), APP_DIR, { recursive: true });
  await exec(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: APP_DIR, signal });
  const scratch = await mkdtemp(join(tmpdir(), 'bb-'));
  process.env['TMPDIR'] = scratch;
  try {
    const counts = await runNodeTests(['test/browser/vite.test.ts'], {
      root: ROOT,
      concurrency: 1,
      timeoutMs: 10 * MINUTE_MS,
      fileTimeoutMs: 30 * MINUTE_MS,
      scratch,
      logs: () => [],
      write: (text) => process.stdout.write(text),
      onFailure() {},
    });
    process.stdout.write(`${skipsText(counts)}${countsLine(counts)}\n`);
    return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
