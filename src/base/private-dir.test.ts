import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ensurePrivateDir, requireOwnPlace } from './private-dir.ts';

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

test('a private folder is made with its parents, once or twice', async () => {
  const path = join(dir, 'a', 'b');
  await ensurePrivateDir(path);
  await ensurePrivateDir(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('a folder that others may enter, or that is a link, is refused', async () => {
  const [open, link] = [join(dir, 'open'), join(dir, 'link')];
  mkdirSync(open);
  chmodSync(open, 0o755);
  symlinkSync(dir, link);
  for (const path of [open, link]) await assert.rejects(ensurePrivateDir(path), NOT_PRIVATE);
});

test('a place for sockets is ours in a folder of ours, also when there is nothing yet', () => {
  const path = join(dir, 'banger');
  requireOwnPlace(path);
  requireOwnPlace(join(path, 'deeper'));
  assert.ok(!existsSync(path));
  mkdirSync(path, { mode: 0o700 });
  requireOwnPlace(path);
});

test('a place for sockets is ours in a folder of everybody only where names cannot be taken away', () => {
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

test('a place for sockets that somebody else has made, or could exchange, is refused', needsRoot, () => {
  const path = join(dir, 'banger');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
  assert.throws(() => requireOwnPlace(path), /belongs to user 65534, not to you/);
  chownSync(path, 0, 0);
  chownSync(dir, SOMEBODY_ELSE, SOMEBODY_ELSE);
  assert.throws(() => requireOwnPlace(path), /belongs to user 65534, not to you/);
});
