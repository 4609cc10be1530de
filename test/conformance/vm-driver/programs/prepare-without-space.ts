import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAppError } from '../../../../src/base/errors.ts';
import type { DriveRequest } from '../../../../src/core/ports/vmm.ts';
import { type DriverFactory, makeDriver } from '../fixture.ts';

// Runs in a mount namespace of its own: prepares drives where a file system is full, and prints what came of it.
const { factory, request, fullDir } = JSON.parse(process.argv[2] ?? '') as {
  factory: DriverFactory;
  request: DriveRequest;
  fullDir: string;
};
mkdirSync(fullDir, { recursive: true });
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', fullDir]);
mkdirSync(request.dir, { recursive: true });
try {
  for (let i = 0; ; i += 1) writeFileSync(join(fullDir, `filler-${i}`), Buffer.alloc(16 * 1024));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
}
const driver = await makeDriver(factory);
const outcome = await driver.prepareDrives(request, { signal: AbortSignal.timeout(60_000) }).then(
  () => ({ code: 'none' }),
  (error: unknown) =>
    isAppError(error)
      ? { code: error.code, message: error.message, details: error.details }
      : { code: String(error) },
);
const left = (readdirSync(request.dir, { recursive: true }) as string[]).filter(
  (name) => !name.includes('filler-'),
);
const leftInFull = (readdirSync(fullDir, { recursive: true }) as string[]).filter((name) =>
  /\.(qcow2|raw|img)/.test(name),
);
process.stdout.write(JSON.stringify({ ...outcome, left, leftInFull }));
