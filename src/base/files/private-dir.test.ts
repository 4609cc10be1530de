import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { mountFuse, whyNoFuse } from '../../../test/support/fuse.ts';
import { isAppError } from '../errors.ts';
import { ensureOwnDir, ensurePrivateDir, requireOwnPlace } from './private-dir.ts';

/** Debian's `nobody`. */
const SOMEBODY_ELSE = 65534;
const needsRoot = { skip: process.getuid?.() === 0 ? false : 'only root can give a folder away' };
const NOT_PRIVATE = { code: 'DIR_NOT_PRIVATE' };

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'private-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test('a private folder is created with its parents; a second call does nothing', async () => {
  const path = join(dir, 'a', 'b');
  await ensurePrivateDir(path);
  await ensurePrivateDir(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('a folder that is a link, or that other users may enter, is refused', async () => {
  const [open, link] = [join(dir, 'open'), join(dir, 'link')];
  mkdirSync(open);
  chmodSync(open, 0o755);
  symlinkSync(dir, link);
  for (const path of [open, link]) await assert.rejects(ensurePrivateDir(path), NOT_PRIVATE);
});

test('a socket folder inside our own folder is accepted, also when it does not exist yet', () => {
  const path = join(dir, 'banger');
  requireOwnPlace(path);
  requireOwnPlace(join(path, 'deeper'));
  assert.ok(!existsSync(path));
  mkdirSync(path, { mode: 0o700 });
  requireOwnPlace(path);
});

test('a socket folder inside a shared folder is accepted only if that folder is sticky', () => {
  const path = join(dir, 'banger');
  mkdirSync(path, { mode: 0o700 });
  chmodSync(dir, 0o1777);
  requireOwnPlace(path);
  chmodSync(dir, 0o777);
  assert.throws(() => requireOwnPlace(path), NOT_PRIVATE);
  chmodSync(dir, 0o700);
  chmodSync(path, 0o770);
  assert.throws(() => requireOwnPlace(path), NOT_PRIVATE);
});

test('a socket folder that another user has created, or could exchange, is refused', needsRoot, () => {
  const path = join(dir, 'banger');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
  assert.throws(() => requireOwnPlace(path), /belongs to user 65534, not to you/);
  chownSync(path, 0, 0);
  chownSync(dir, SOMEBODY_ELSE, SOMEBODY_ELSE);
  assert.throws(() => requireOwnPlace(path), /belongs to user 65534, not to you/);
});

test('a parent folder that another user has created in a shared folder is refused', needsRoot, async () => {
  chmodSync(dir, 0o1777);
  const theirs = join(dir, 'theirs');
  mkdirSync(theirs, { mode: 0o777 });
  chownSync(theirs, SOMEBODY_ELSE, SOMEBODY_ELSE);
  await assert.rejects(ensurePrivateDir(join(theirs, 'banger')), NOT_PRIVATE);
  const link = join(dir, 'link');
  symlinkSync('/var', link);
  lchownSync(link, SOMEBODY_ELSE, SOMEBODY_ELSE);
  await assert.rejects(ensurePrivateDir(join(link, 'banger-test')), NOT_PRIVATE);
});

test('a path of our own links and folders is accepted', async () => {
  mkdirSync(join(dir, 'real'));
  symlinkSync(join(dir, 'real'), join(dir, 'link'));
  const path = join(dir, 'link', 'a', 'b');
  await ensurePrivateDir(path);
  await ensurePrivateDir(path);
  assert.equal(statSync(join(dir, 'real', 'a', 'b')).mode & 0o777, 0o700);
});

test('our own folder may be a link and readable by others, but not writable', async () => {
  const [real, link] = [join(dir, 'real'), join(dir, 'link')];
  mkdirSync(real, { mode: 0o755 });
  symlinkSync(real, link);
  for (const path of [real, link, join(link, 'a', 'b')]) await ensureOwnDir(path);
  assert.equal(statSync(join(real, 'a', 'b')).mode & 0o777, 0o700);
  chmodSync(real, 0o777);
  await assert.rejects(ensureOwnDir(link), NOT_PRIVATE);
});

test('a file system without permissions is named as the reason, each time', {
  skip: whyNoFuse(),
}, async () => {
  await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') }, ['--perms=0755']);
  for (let tries = 0; tries < 2; tries += 1) {
    await assert.rejects(ensurePrivateDir(join(mount.path, 'banger')), {
      ...NOT_PRIVATE,
      message: /its file system does not keep permissions/,
      hint: /XDG_STATE_HOME/,
    });
  }
});

/**
 * Another user who creates and exchanges folders with our names in a folder like `/tmp`, as fast as possible,
 * until the process is killed: in turn a folder, a link to its own folder, and nothing.
 */
const RACER = `
  const fs = require('node:fs');
  const [uid] = process.argv.slice(1).map(Number);
  process.setgroups([]);
  process.setgid(uid);
  process.setuid(uid);
  const [place, own] = ['place', 'theirs'];
  const attempt = (work) => { try { work(); } catch {} };
  process.stdout.write('ready');
  for (;;) {
    attempt(() => fs.mkdirSync(place, { mode: 0o777 }));
    attempt(() => fs.mkdirSync(place + '/banger', { mode: 0o777 }));
    attempt(() => fs.rmdirSync(place + '/banger'));
    attempt(() => fs.rmdirSync(place));
    attempt(() => fs.symlinkSync(own, place));
    attempt(() => fs.unlinkSync(place));
  }
`;

test('another user who races for the name never succeeds', { ...needsRoot, timeout: 120_000 }, async () => {
  chmodSync(dir, 0o1777);
  const [place, theirs] = [join(dir, 'place'), join(dir, 'theirs')];
  mkdirSync(theirs);
  chmodSync(theirs, 0o777);
  const racer = spawn(process.execPath, ['-e', RACER, String(SOMEBODY_ELSE)], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(racer.stdout, 'data');
    const outcomes = { ours: 0, refused: 0 };
    const deadline = performance.now() + 60_000;
    // On a busy host the racer may not run for many tries, during which every outcome is the same.
    const isEnough = (tries: number): boolean => tries >= 600 && outcomes.ours > 0 && outcomes.refused > 0;
    for (let tries = 0; !isEnough(tries) && performance.now() < deadline; tries += 1) {
      try {
        await ensurePrivateDir(join(place, 'banger'));
        const found = [place, join(place, 'banger')].map((path) => lstatSync(path));
        assert.deepEqual(
          found.map(({ uid, mode }) => [uid, mode & 0o777]),
          [
            [0, 0o700],
            [0, 0o700],
          ],
        );
        outcomes.ours += 1;
      } catch (error) {
        if (!isAppError(error, 'DIR_NOT_PRIVATE')) throw error;
        outcomes.refused += 1;
      }
      rmSync(join(place, 'banger'), { recursive: true, force: true });
      if (lstatSync(place, { throwIfNoEntry: false })?.uid === 0) rmSync(place, { recursive: true });
    }
    assert.deepEqual(readdirSync(theirs), [], 'nothing of ours is in a folder of theirs');
    assert.ok(outcomes.ours > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
  } finally {
    racer.kill('SIGKILL');
    await once(racer, 'exit');
  }
});
