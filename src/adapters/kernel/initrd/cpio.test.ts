import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCpio } from '../../../../test/support/read-cpio.ts';
import { BugError } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';

const encoder = new TextEncoder();

const EXAMPLE: readonly CpioEntry[] = [
  { type: 'file', path: 'init', mode: 0o755, content: encoder.encode('#!\n12345') },
  { type: 'character device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  { type: 'directory', path: 'dev', mode: 0o755 },
];

test('writeCpio() writes what cpio lists and unpacks', async () => {
  const listed = await exec(['cpio', '-tv', '--quiet', '--numeric-uid-gid'], {
    input: writeCpio(EXAMPLE),
    signal: AbortSignal.timeout(20_000),
  });
  const lines = listed.stdout.toString().trim().split('\n');
  assert.match(lines[0] ?? '', /^drwxr-xr-x +2 0 +0 +0 Jan +1 +1970 dev$/);
  assert.match(lines[1] ?? '', /^crw------- +1 0 +0 +5, +1 Jan +1 +1970 dev\/console$/);
  assert.match(lines[2] ?? '', /^-rwxr-xr-x +1 0 +0 +8 Jan +1 +1970 init$/);
  assert.equal(lines.length, 3);
  const unpacked = await exec(['cpio', '-i', '--quiet', '--to-stdout', 'init'], {
    input: writeCpio(EXAMPLE),
    signal: AbortSignal.timeout(20_000),
  });
  assert.equal(unpacked.stdout.toString(), '#!\n12345');
});

test('writeCpio() writes the same bytes for any order of the entries', () => {
  assert.deepEqual(writeCpio(EXAMPLE), writeCpio(EXAMPLE.toReversed()));
});

test('writeCpio() keeps every name, mode and byte', () => {
  const name = fc.stringMatching(/^[ -.0-~é日]{1,40}$/u).filter((text) => text !== '.' && text !== '..');
  const files = fc.uniqueArray(
    fc.record({
      path: name,
      mode: fc.integer({ min: 0, max: 0o7777 }),
      content: fc.uint8Array({ maxLength: 40 }),
    }),
    { selector: (file) => file.path, maxLength: 8 },
  );
  fc.assert(
    fc.property(files, (list) => {
      const archive = writeCpio(list.map((file) => ({ ...file, type: 'file' })));
      assert.equal(archive.length % 512, 0);
      const sorted = list.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
      const want = sorted.map(({ path, mode, content }) => ({
        path,
        mode: 0o100000 | mode,
        uid: 0,
        mtime: 0,
        rdev: '0:0',
        content: Buffer.from(content),
      }));
      assert.deepEqual(readCpio(archive), want);
    }),
  );
});

test('writeCpio() refuses names that the kernel would unpack elsewhere or not at all', () => {
  for (const path of [
    '/init',
    '../init',
    'a/../b',
    'a//b',
    '',
    '.',
    'a\0b',
    'TRAILER!!!',
    'no-such-folder/file',
  ]) {
    const entry: CpioEntry = { type: 'file', path, mode: 0o644, content: new Uint8Array() };
    assert.throws(() => writeCpio([entry]), BugError, JSON.stringify(path));
  }
  assert.throws(() => writeCpio([...EXAMPLE, ...EXAMPLE]), /twice/);
});
