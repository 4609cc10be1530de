import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createGitWorkspaceSource } from '../../../src/adapters/workspace/git-workspace-source.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError, isErrno } from '../../../src/base/errors.ts';
import { createLogger } from '../../../src/base/log.ts';
import {
  assertNothingLeft,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';

function repository(scratch: Scratch): string {
  const root = scratch.init('repo');
  for (const name of ['a', 'b', 'z']) put(root, name);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  return root;
}

/** More than every pipe and buffer on the way holds. */
function makeLarge(root: string): void {
  truncateSync(join(root, 'b'), 50_000_000);
}

/** A source for which the program `name` first runs `script`; `$real` is the real program. */
function sourceWith(scratch: Scratch, name: string, script: string) {
  const bin = join(scratch.dir, 'bin');
  mkdirSync(bin, { recursive: true });
  const real = spawnSync('sh', ['-c', `command -v ${name}`])
    .stdout.toString()
    .trim();
  // `--version` always goes to the real program.
  const lines = ['#!/bin/sh', `real=${real}`, '[ "$*" != --version ] || exec "$real" --version', script];
  writeFileSync(join(bin, name), `${lines.join('\n')}\nexec "$real" "$@"\n`);
  chmodSync(join(bin, name), 0o755);
  const log = createLogger((line) => scratch.logged.push(line), { level: 'debug' });
  const env = { ...scratch.env, PATH: [bin, scratch.env['PATH']].join(delimiter) };
  return createGitWorkspaceSource({ tempDir: scratch.tempDir, env, userGitDir: scratch.home, log });
}

/** Fails if a process has the folder of this test in its arguments. */
function assertNoChildren(scratch: Scratch): void {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid);
  const running = pids.map(commandOf).filter((command) => command.includes(scratch.dir));
  assert.deepEqual(running, []);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return '';
    throw error;
  }
}

test('nothing starts with an aborted signal', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const reason = new Error('gone');
  for (const call of ['inspect', 'pack'] as const) {
    await assert.rejects(scratch.source[call](root, { signal: AbortSignal.abort(reason) }), reason);
  }
  assertNothingLeft(scratch);
});

test('an abort at any moment ends all processes, removes the folder and throws its reason', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  makeLarge(root);
  for (let afterMs = 0; afterMs < 120; afterMs += 8) {
    const controller = new AbortController();
    const reason = new Error(`aborted after ${afterMs} ms`);
    const timer = setTimeout(() => controller.abort(reason), afterMs);
    await assert.rejects(async () => {
      await using packed = await scratch.source.pack(root, { signal: controller.signal });
      for await (const _chunk of packed.tar) await delay(1);
      await packed.done;
    }, reason);
    clearTimeout(timer);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    assertNothingLeft(scratch);
  }
  assertNoChildren(scratch);
});

test('disposing without reading, halfway and twice leaves nothing and does not wait', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  makeLarge(root);
  const { signal } = new AbortController();
  const unread = await scratch.source.pack(root, { signal });
  await unread[Symbol.asyncDispose]();
  await unread[Symbol.asyncDispose]();
  await assert.rejects(unread.done, { name: 'AbortError' });
  const half = await scratch.source.pack(root, { signal });
  await once(half.tar, 'readable');
  half.tar.read(1000);
  half.tar.on('error', () => {});
  await half[Symbol.asyncDispose]();
  const left = await scratch.source.pack(root, { signal });
  for await (const _chunk of left.tar) break;
  await assert.rejects(left.done);
  await left[Symbol.asyncDispose]();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assertNothingLeft(scratch);
  assertNoChildren(scratch);
});

test('a reader that starts after everything is packed gets the whole archive', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  await using packed = await scratch.source.pack(root, { signal: neverAborts() });
  await Promise.race([packed.done, delay(1000)]);
  const archive = Buffer.concat(await packed.tar.toArray());
  const listed = spawnSync('tar', ['-t'], { input: archive }).stdout.toString().split('\n');
  assert.deepEqual(listed.slice(0, 3), ['a', 'b', 'z']);
  assert.equal(listed.at(-2), '.git/HEAD');
});

test('the end of the archive waits for slow objects, and disposing stops them', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const source = sourceWith(scratch, 'git', 'case "$*" in *pack-objects*) exec sleep 1000;; esac');
  const packed = await source.pack(root, { signal: neverAborts() });
  let bytes = 0;
  packed.tar.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  packed.tar.on('error', () => {});
  await delay(300);
  assert.equal(packed.tar.readableEnded, false);
  await packed[Symbol.asyncDispose]();
  assert.equal(packed.tar.readableEnded, false);
  assertNothingLeft(scratch);
  assertNoChildren(scratch);
  assert.ok(bytes < 1_000_000);
});

test('a reader that pauses blocks the archive', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  truncateSync(join(root, 'b'), 1_000_000_000);
  await using packed = await scratch.source.pack(root, { signal: neverAborts() });
  await once(packed.tar, 'readable');
  const before = process.memoryUsage.rss();
  await delay(300);
  assert.ok(process.memoryUsage.rss() - before < 50_000_000);
  assert.ok(packed.tar.readableLength < 1_000_000);
  packed.tar.on('error', () => {});
});

test('a file that is gone when it is read fails the archive with the message of tar', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const source = sourceWith(scratch, 'tar', `rm -f '${root}/z'`);
  {
    await using packed = await source.pack(root, { signal: neverAborts() });
    await assert.rejects(packed.tar.toArray(), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'WORKSPACE_TAR_FAILED');
      assert.match((error.cause as Error).message, /z: Cannot stat: No such file/);
      return true;
    });
    await assert.rejects(packed.done, { code: 'WORKSPACE_TAR_FAILED' });
  }
  assertNothingLeft(scratch);
});

test('a file that changes while it is read is a warning in the log', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const script = '"$real" "$@"; echo "tar: b: file changed as we read it" >&2; exit 1';
  const { guest } = await sendTo({ ...scratch, source: sourceWith(scratch, 'tar', script) }, root);
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), '');
  assert.match(scratch.logged.join(''), /"level":"warn".*b: file changed as we read it/);
});

test('a daemon removes what a killed one has left, but nothing of running work', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(scratch.tempDir, 'dead/.git/objects/pack/tmp_pack_x');
  await using living = await scratch.source.pack(root, { signal: neverAborts() });
  await scratch.source.inspect(root, { signal: neverAborts() });
  assert.equal(existsSync(join(scratch.tempDir, 'dead')), false);
  assert.ok((await living.tar.toArray()).length > 0);
  await living.done;
});

test('a path from a commit is never interpreted as an option or a pattern', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  rmSync(join(root, 'a'));
  for (const name of ['--checkpoint-action=exec=sh', '-C', '--null', '.git-not/x', '...', 'a.git/x'])
    put(root, name);
  scratch.git(root, 'add', '-A');
  const { guest } = await sendTo(scratch, root);
  assert.equal(
    scratch.git(guest, 'status', '--porcelain').toString(),
    scratch.git(root, 'status', '--porcelain').toString(),
  );
});
