import assert from 'node:assert/strict';
import { chmodSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import {
  assertNothingLeft,
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  sendTo,
} from '../../helpers/scratch-repository.ts';

const STRANGE_NAMES = [
  'plain.txt',
  'with space',
  ' leading and trailing ',
  'new\nline',
  '-rf',
  '--to-command=sh',
  '@list',
  'back\\slash\\n',
  'quote"\'`$(x)',
  'tab\there',
  '*?[glob]',
  'ünïcödé/文件',
  Buffer.from([0x62, 0x79, 0x74, 0x65, 0xff, 0xfe, 0x80]),
  Buffer.from([0xe9, 0x2f, 0xe8]),
  `${'long/'.repeat(40)}${'x'.repeat(200)}`,
] as const;

test('git in the guest shows the same repository, with every kind of change and name', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (const name of STRANGE_NAMES) put(root, name, `first\n`);
  put(root, 'deleted');
  put(root, 'deleted from the index', 'x');
  put(root, 'run.sh', '#!/bin/sh\n');
  put(root, 'was-file', 'x');
  put(root, 'was-executable', 'x');
  put(root, 'binary', Buffer.from([0, 1, 2, 255]));
  put(root, 'empty', '');
  put(root, '.gitignore', 'ignored\n*.log\n');
  put(root, 'tracked.log', 'tracked although ignored\n');
  chmodSync(join(root, 'run.sh'), 0o755);
  chmodSync(join(root, 'was-executable'), 0o755);
  symlinkSync('plain.txt', join(root, 'link'));
  symlinkSync('/nowhere/at all', join(root, 'dangling'));
  symlinkSync('..', join(root, 'up'));
  scratch.git(root, 'add', '-A', '-f');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  scratch.git(root, 'tag', '-a', 'v1', '-m', 'version 1');
  put(root, 'second');
  scratch.git(root, 'add', 'second');
  scratch.git(root, 'commit', '-q', '-m', 'second');

  put(root, 'plain.txt', 'edited\n');
  put(root, STRANGE_NAMES[12], 'edited too\n');
  put(root, 'staged', 'staged\n');
  scratch.git(root, 'add', 'staged');
  put(root, 'staged', 'staged and edited\n');
  put(root, 'intended', 'later\n');
  scratch.git(root, 'add', '-N', 'intended');
  rmSync(join(root, 'deleted'));
  scratch.git(root, 'rm', '-q', 'deleted from the index');
  scratch.git(root, 'mv', 'second', 'renamed');
  chmodSync(join(root, 'was-executable'), 0o644);
  rmSync(join(root, 'was-file'));
  symlinkSync('plain.txt', join(root, 'was-file'));
  put(root, 'ignored', 'secret\n');
  put(root, 'untracked', 'stays\n');

  const { guest, summary } = await sendTo(scratch, root);

  assertSameToGit(scratch, root, guest);
  const untracked = ['./ignored', './untracked'];
  assert.deepEqual(
    filesUnder(guest),
    filesUnder(root).filter((name) => !untracked.includes(name)),
  );
  assert.equal(readlinkSync(join(guest, 'dangling')), '/nowhere/at all');
  assert.equal(lstatSync(join(guest, 'run.sh')).mode & 0o777, 0o755);
  assert.deepEqual(
    { branch: summary.branch, tracked: summary.trackedCount, untracked: summary.untrackedCount },
    { branch: 'main', tracked: filesUnder(root).length - 2 + 1, untracked: 1 },
  );
  assert.deepEqual(summary, {
    ...(await scratch.source.inspect(root, { signal: neverAborts() })),
  });
  assertNothingLeft(scratch);
});

const skip =
  process.env['BANGER_TEST_WAY_IN'] === 'base' &&
  'debugfs copies times in seconds out of an image; the tests of host/internal/ext4 compare all of them';

test('modification times are kept to the nanosecond and everything belongs to root', { skip }, async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'file');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  utimesSync(join(root, 'file'), 1_600_000_000.123456, 1_600_000_000.123456);
  const { guest } = await sendTo(scratch, root);
  const [sent, own] = [join(guest, 'file'), join(root, 'file')].map((path) =>
    lstatSync(path, { bigint: true }),
  );
  assert.equal(sent?.mtimeNs, own?.mtimeNs);
  assert.notEqual((own?.mtimeNs ?? 0n) % 1_000_000_000n, 0n);
});

test('the first status in the guest reads no file', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (let at = 0; at < 200; at += 1) {
    put(root, `folder${at % 7}/file${at}`, `content ${at}\n`);
    // Not as new as the index, because git would then read the file.
    utimesSync(join(root, `folder${at % 7}/file${at}`), 1.5e9, 1.5e9);
  }
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  // Touched files, too: the host compares them, not the guest.
  for (let at = 0; at < 50; at += 1) utimesSync(join(root, `folder${at % 7}/file${at}`), 1e9, 1e9);
  const { guest } = await sendTo(scratch, root);
  for (let at = 0; at < 200; at += 1) {
    const path = join(guest, `folder${at % 7}/file${at}`);
    const { atimeMs, mtimeMs } = lstatSync(path);
    // Same size and time, other content: only a comparison of the content finds the change.
    put(guest, `folder${at % 7}/file${at}`, readFileSync(path, 'utf8').toUpperCase());
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
  }
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), '');
});

test('a change in the same second as the index is not missed', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (let round = 0; round < 5; round += 1) {
    put(root, 'file', `aaaa ${round}\n`);
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'x');
    put(root, 'file', `bbbb ${round}\n`);
    const { guest } = await sendTo(scratch, root, { name: `guest${round}` });
    assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), ' M file\n');
  }
});
