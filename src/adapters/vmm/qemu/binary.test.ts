import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isAppError } from '../../../base/errors.ts';
import { parseMachines, parseVersion, QemuBinaries } from './binary.ts';

const VERSIONS: readonly [string, string | undefined][] = [
  ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022', '7.2.22'],
  ['QEMU emulator version 10.1.0-rc2\n', '10.1.0'],
  ['QEMU emulator version 6.2.0 (qemu-kvm-6.2.0-50.el9)\n', '6.2.0'],
  ['qemu-img version 7.2.22\n', undefined],
  ['', undefined],
];

for (const [text, version] of VERSIONS) {
  test(`the version in ${JSON.stringify(text.slice(0, 40))} is ${version}`, () => {
    assert.equal(parseVersion(text), version);
  });
}

test('machine names are the first words after the heading', () => {
  const text =
    'Supported machines are:\nmicrovm              microvm (i386)\npc                   Standard PC\n';
  assert.deepEqual([...parseMachines(text)], ['microvm', 'pc']);
});

const PROGRAM = 'qemu-system-test';
const options = { machine: 'microvm', signal: new AbortController().signal };
let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bin-'));
  path = join(dir, PROGRAM);
});

afterEach(() => rm(dir, { recursive: true }));

/** Installs a fake QEMU with the given output, which counts how often it is queried. */
async function install(version: string, machines: string): Promise<void> {
  await writeFile(
    path,
    `#!/bin/sh\necho x >>"${dir}/asked"\ncase $1 in --version) echo 'QEMU emulator version ${version}' ;; *) printf 'Supported machines are:\\n${machines} x\\n' ;; esac\n`,
  );
  await chmod(path, 0o755);
}

function binaries(): QemuBinaries {
  return new QemuBinaries({ PATH: `${dir}:/usr/bin:/bin` });
}

test('a QEMU is queried once, and again when its file has changed', async () => {
  await install('7.2.1', 'microvm');
  const found = binaries();
  assert.equal((await found.require(PROGRAM, options)).version, '7.2.1');
  await found.require(PROGRAM, options);
  assert.equal((await readFile(join(dir, 'asked'), 'utf8')).length, 4);
  await install('8.0.0', 'microvm');
  await utimes(path, 1, 1);
  assert.equal((await found.require(PROGRAM, options)).version, '8.0.0');
});

test('the error on a host without QEMU names the packages', async () => {
  await assert.rejects(binaries().require('qemu-system-none', options), (error) => {
    assert.ok(isAppError(error, 'VMM_NOT_FOUND'));
    assert.equal(error.message, 'Cannot find QEMU: "qemu-system-none" is not installed');
    return true;
  });
});

test('a QEMU that is too old is refused with the version that is needed', async () => {
  await install('6.2.0', 'microvm');
  await assert.rejects(binaries().require(PROGRAM, options), {
    code: 'VMM_UNSUPPORTED',
    message: `Cannot use "${path}": it is QEMU 6.2.0, and 7.0 or later is needed`,
  });
});

test('a QEMU without the machine type that we use is refused', async () => {
  await install('9.0.0', 'q35');
  await assert.rejects(binaries().require(PROGRAM, options), {
    code: 'VMM_UNSUPPORTED',
    message: `Cannot use "${path}": it was built without the machine "microvm"`,
  });
});
