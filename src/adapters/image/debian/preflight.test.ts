import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAppError } from '../../../base/errors.ts';
import { checkHost } from './preflight.ts';

test('every missing tool is named with its packages before anything is created', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'preflight-'));
  const host = {
    imageName: 'small',
    dir,
    uid: 1000,
    env: { PATH: dir },
    signal: AbortSignal.timeout(10_000),
  };
  await assert.rejects(checkHost(host), (error) => {
    assert.ok(isAppError(error, 'IMAGE_TOOL_MISSING'));
    assert.match(error.message, /"mmdebstrap".*"newuidmap"/);
    assert.match(
      error.hint ?? '',
      /^install the packages; on Debian and Ubuntu: sudo apt install .*mmdebstrap.*uidmap/,
    );
    assert.deepEqual(Object.keys((error.details?.['packages'] as object) ?? {}), [
      'apt',
      'dnf',
      'pacman',
      'zypper',
    ]);
    return true;
  });
  await rm(dir, { recursive: true });
});
