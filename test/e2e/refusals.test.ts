import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const isRoot = process.getuid?.() === 0;

describe('bad input', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--no-start', '--name', 'taken', ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());

  const cases: readonly [what: string, args: readonly string[], message: RegExp][] = [
    ['no vcpu', ['--vcpu', '0'], /vcpu/],
    ['more vcpus than a VM may have', ['--vcpu', '65'], /vcpu 65/],
    ['1 MiB of memory', ['--memory', '1'], /memory/],
    ['more memory than the host has', ['--memory', '99999999'], /memory/],
    ['a negative disk', ['--disk-size', '-1G'], /disk-size/],
    ['an invalid disk size', ['--disk-size', 'banana'], /disk-size/],
    ['a negative overlay', ['--system-overlay-size', '-1G'], /system-overlay-size/],
    ['an upper-case name', ['--name', 'MyBox'], /invalid character 'M'/],
    ['a name with a space', ['--name', 'my box'], /invalid character ' '/],
    ['a name with a dot', ['--name', 'box.vm'], /invalid character '\.'/],
    ['a name that begins with a dash', ['--name=-box'], /cannot start or end with '-'/],
    ['a name of 64 characters', ['--name', 'a'.repeat(64)], /64 characters; max is 63/],
    ['a name in use', ['--name', 'taken'], /"taken".*another VM has that name/],
    ['an unknown image', ['--image', 'no-such-image'], /no-such-image/],
  ];
  for (const [what, args, message] of cases) {
    test(`${what} is refused with status 2 and one message, and leaves nothing`, async () => {
      const ran = await lab.run(['vm', 'run', '--rm', ...args, '--', 'true']);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(ran.stderr, message);
      assert.equal(ran.stderr.split('\n').filter((line) => line.startsWith('banger:')).length, 1, ran.stderr);
      await onlyTaken(lab);
    });
  }

  test('an empty command is refused', async () => {
    for (const args of [['--'], ['--', '']]) {
      const ran = await lab.run(['vm', 'run', '--rm', ...args]);
      assert.equal(ran.code, 2, ran.stderr);
    }
    await onlyTaken(lab);
  });

  test('a missing QEMU is refused with the name of its package', async () => {
    // The launcher and the tools for images are there, but not QEMU, which is in the same folder of this
    // host.
    const tools = join(lab.scratch, 'tools');
    await mkdir(tools);
    for (const tool of ['sh', 'readlink', 'dirname', 'git', 'tar', 'npm']) {
      const { stdout } = await exec(['which', tool], { signal: neverAborts(), okCodes: [0, 1] });
      const path = stdout.toString().trim();
      if (path) await symlink(path, join(tools, tool));
    }
    await using bare = await openLab({ env: { PATH: tools } });
    const ran = await bare.run(['vm', 'run', '--rm', '--', 'true']);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /qemu-system-\S+: not installed|qemu-system-\S+, .*: not installed/);
    assert.match(ran.stderr, /apt: \S*qemu-system/);
    assert.deepEqual(await bare.leftovers(), []);
  });
});

test('a truncated image file is refused with a hint', async () => {
  await using lab = await openLab();
  const data = join(lab.scratch, 'data');
  const copy = join(data, 'banger');
  await mkdir(data);
  await cp(lab.paths.dataDir, copy, {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path) => !path.endsWith('rootfs.ext4'),
  });
  for (const entry of await readdir(join(copy, 'images'), { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory() && entry.parentPath.endsWith('blobs')) {
      await writeFile(join(entry.parentPath, entry.name, 'rootfs.ext4'), '');
      await truncate(join(entry.parentPath, entry.name, 'rootfs.ext4'), 4096);
    }
  }
  await using cut = await openLab({ env: { XDG_DATA_HOME: data } });
  const ran = await cut.run(['vm', 'run', '--rm', ...SMALL, '--', 'true']);
  assert.equal(ran.code, 2, ran.stderr);
  assert.match(ran.stderr, /image build debian-bookworm --force/);
  assert.deepEqual(await cut.leftovers(), []);
});

test('a full disk is refused before anything is created', {
  skip: isRoot ? false : 'mounting a small file system takes root',
}, async () => {
  const signal = neverAborts();
  const state = await mkdtemp(join(tmpdir(), 'bf-'));
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', state], { signal });
  try {
    await using lab = await openLab({ env: { XDG_STATE_HOME: state } });
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'true']);
    assert.equal(ran.code, 125, ran.stderr);
    assert.match(ran.stderr, /are free, 256M are needed/);
    assert.deepEqual(await lab.leftovers(), []);
  } finally {
    await exec(['umount', '-l', state], { signal });
    await rm(state, { recursive: true });
  }
});

async function onlyTaken(lab: Lab): Promise<void> {
  const left = await lab.leftovers();
  assert.deepEqual(
    left.filter((entry) => entry.startsWith('record') || entry.startsWith('process')),
    ['record taken'],
  );
}
