import assert from 'node:assert/strict';
import { isAppError } from '../../../src/base/errors.ts';
import { exec } from '../../../src/base/exec.ts';

/** Waits until something holds; it has 10 s. */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < endsAt, 'waited 10 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Why namespaces of these kinds cannot be made here, if so. */
export async function noNamespaces(kinds = '-Urm'): Promise<string | undefined> {
  try {
    await exec(['unshare', kinds, 'true'], { signal: AbortSignal.timeout(60_000) });
    return undefined;
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
    return `no namespaces can be made here: ${error.message}`;
  }
}
