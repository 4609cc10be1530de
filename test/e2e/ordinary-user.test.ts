import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { chown, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/exec.ts';
import { processEnvironment, resolvePaths } from '../../src/config/settings.ts';
import { openLab, SMALL } from './support/lab.ts';

/** Debian's `nobody`: no home, no groups, no way to become root. */
const NOBODY = 65534;

const isRoot = process.getuid?.() === 0;

test('an ordinary user runs a VM', {
  skip: isRoot ? false : 'the other tests run as an ordinary user already',
}, async (t) => {
  if (!(await canReadCheckout())) {
    t.skip('this checkout is in a folder that only root may enter');
    return;
  }
  const signal = neverAborts();
  const scratch = await mkdtemp(join(tmpdir(), 'bu-'));
  const data = join(scratch, 'd');
  await mkdir(data);
  await cp(resolvePaths(processEnvironment()).dataDir, join(data, 'banger'), {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path) => !path.endsWith('rootfs.ext4'),
  });
  // cp(1) keeps the holes of the root file system, which Node's copy would fill.
  const { imagesDir } = resolvePaths(processEnvironment());
  for (const path of await readdir(imagesDir, { recursive: true })) {
    if (path.endsWith('rootfs.ext4')) {
      await exec(['cp', '--sparse=always', join(imagesDir, path), join(data, 'banger', 'images', path)], {
        signal,
      });
    }
  }
  await exec(['chown', '-hR', `${NOBODY}:${NOBODY}`, scratch], { signal });
  await chown(scratch, NOBODY, NOBODY);
  const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  try {
    await using lab = await openLab({
      scratch,
      prefix: user,
      env: { HOME: scratch, XDG_DATA_HOME: data, XDG_CACHE_HOME: join(scratch, 'k') },
    });
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'id', '-u']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), '0\n');
    await lab.nothingLeft();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});

async function canReadCheckout(): Promise<boolean> {
  const launcher = fileURLToPath(new URL('../../bin/banger', import.meta.url));
  const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] as const;
  const { code } = await exec([...asNobody, 'test', '-r', launcher], {
    signal: neverAborts(),
    okCodes: [0, 1, 126, 127],
  });
  return code === 0;
}
