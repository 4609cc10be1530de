import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { FirecrackerBinaries, isRecent, parseVersion } from './binary.ts';

const signal = neverAborts();
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fcb-'));
  await mkdir(join(dir, 'bin'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Writes a program that says this, and returns its path. */
async function program(says: string, name = 'bin/firecracker'): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, `#!/bin/sh\necho '${says}'\n`);
  await chmod(path, 0o755);
  return path;
}

function binaries(configured?: string): FirecrackerBinaries {
  return new FirecrackerBinaries({ PATH: join(dir, 'bin') }, configured);
}

test('versions are read and compared', () => {
  assert.equal(parseVersion('Firecracker v1.13.1\n\nSupported snapshot'), '1.13.1');
  assert.equal(parseVersion('Firecracker v1.17.0-dev\n'), '1.17.0');
  for (const other of ['', 'QEMU emulator version 7.2.22', 'Firecracker', 'jailer v1.13.1']) {
    assert.equal(parseVersion(other), undefined, other);
  }
  for (const [version, expected] of [
    ['1.4.9', false],
    ['1.5.0', true],
    ['1.10.1', true],
    ['0.25.2', false],
    ['2.0.0', true],
  ] as const) {
    assert.equal(isRecent(version), expected, version);
  }
});

test('the program on PATH is used, the configured one before it, and a changed file is asked again', async () => {
  const path = await program('Firecracker v1.5.0');
  const found = binaries();
  assert.deepEqual(await found.require({ signal }), { path, version: '1.5.0' });
  await rm(path);
  await program('Firecracker v1.13.1');
  assert.deepEqual(await found.require({ signal }), { path, version: '1.13.1' });
  const other = await program('Firecracker v1.14.0', 'other');
  assert.deepEqual(await binaries(other).require({ signal }), { path: other, version: '1.14.0' });
});

test('a missing program is an error that says where to get it and how to name it', async () => {
  await assert.rejects(binaries().require({ signal }), {
    code: 'VMM_NOT_FOUND',
    message: 'Cannot find Firecracker: "firecracker" is not on PATH',
    hint: /release of firecracker-microvm\/firecracker .*firecracker_bin = "\/path\/to\/firecracker"$/,
  });
  await program('Firecracker v1.13.1');
  await assert.rejects(binaries('/none').require({ signal }), {
    code: 'VMM_NOT_FOUND',
    message: 'Cannot find Firecracker: "/none", which firecracker_bin names, is not a program',
    details: { field: 'firecracker_bin', value: '/none' },
  });
});

test('an old version and another program are refused', async () => {
  const path = await program('Firecracker v1.4.1');
  await assert.rejects(binaries().require({ signal }), {
    code: 'VMM_UNSUPPORTED',
    message: `Cannot use "${path}": it is Firecracker 1.4.1, and 1.5 or later is needed`,
  });
  await program('hello', 'other');
  await assert.rejects(binaries(join(dir, 'other')).require({ signal }), { code: 'VMM_UNSUPPORTED' });
});
