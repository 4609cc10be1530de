import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGitWorkspaceSource } from '../../../src/adapters/workspace/git-workspace-source.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import {
  assertNothingLeft,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';
import { nullLog } from '../../support/null-log.ts';

function repositoryWith(scratch: Scratch, ...names: string[]): string {
  const root = scratch.init('repo');
  for (const name of names) put(root, name, `content of ${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  return root;
}

/** Everything about a tree that can be seen without changing it. */
function photograph(root: string): string[] {
  const seen: string[] = [];
  const visit = (path: string): void => {
    const info = lstatSync(path, { bigint: true });
    const content = info.isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : info.isSymbolicLink()
        ? readlinkSync(path)
        : '';
    seen.push(`${path} ${info.ino} ${info.mode} ${info.size} ${info.mtimeNs} ${info.ctimeNs} ${content}`);
    if (info.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(root);
  return seen;
}

test('packing writes nothing into the repository, whatever state its index is in', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'one', 'two', 'folder/three');
  put(root, 'one', 'edited\n');
  put(root, 'staged');
  put(root, 'untracked');
  scratch.git(root, 'add', 'staged');
  scratch.git(root, 'update-index', '--split-index', '--untracked-cache');
  scratch.git(root, 'config', 'core.splitIndex', 'true');
  scratch.git(root, 'config', 'core.untrackedCache', 'true');
  scratch.git(root, 'config', 'gc.auto', '1');
  // Touched, so that git would want to refresh its index.
  utimesSync(join(root, 'two'), 1.5e9, 1.5e9);
  for (const name of readdirSync(join(root, '.git')).filter((n) => n.startsWith('sharedindex'))) {
    utimesSync(join(root, '.git', name), 1.6e9, 1.6e9);
  }
  const before = photograph(root);
  await scratch.source.inspect(root, { signal: neverAborts() });
  await sendTo(scratch, root);
  assert.deepEqual(photograph(root), before);
});

test('no program that the repository configures is run', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'file', 'second', 'a.filtered');
  const marker = join(scratch.dir, 'was-run');
  const program = join(scratch.dir, 'program');
  writeFileSync(program, `#!/bin/sh\necho "$0 $*" >> '${marker}'\ncat\n`);
  chmodSync(program, 0o755);
  put(root, '.gitattributes', '*.filtered filter=evil diff=evil\n*.two filter=process\n');
  put(root, 'b.two');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'y');
  const settings = [
    ...['core.fsmonitor', 'core.sshCommand', 'core.pager', 'core.editor', 'core.askPass', 'core.gitProxy'],
    ...['core.alternateRefsCommand', 'diff.external', 'diff.evil.command', 'diff.evil.textconv'],
    ...['filter.evil.clean', 'filter.evil.smudge', 'filter.process.process', 'gpg.program', 'pager.log'],
    ...['uploadpack.packObjectsHook', 'sequence.editor', 'credential.helper', 'interactive.diffFilter'],
    ...['remote.origin.uploadpack', 'alias.ls-files', 'browser.x.cmd', 'trailer.x.command'],
  ];
  for (const name of settings) scratch.git(root, 'config', name, program);
  scratch.git(root, 'config', 'filter.evil.required', 'true');
  scratch.git(root, 'config', 'remote.origin.url', `ext::${program} %S`);
  scratch.git(root, 'config', 'remote.origin.promisor', 'true');
  scratch.git(root, 'config', 'core.hooksPath', join(scratch.dir, 'hooks'));
  for (const folder of [join(scratch.dir, 'hooks'), join(root, '.git/hooks')]) {
    mkdirSync(folder, { recursive: true });
    for (const hook of [
      'post-index-change',
      'fsmonitor-watchman',
      'query-watchman',
      'reference-transaction',
    ]) {
      writeFileSync(join(folder, hook), readFileSync(program));
      chmodSync(join(folder, hook), 0o755);
    }
  }
  put(root, 'a.filtered', 'content of another kind\n');
  put(root, 'b.two', 'different\n');
  put(root, 'new.filtered', 'untracked\n');
  utimesSync(join(root, 'second'), 1.5e9, 1.5e9);
  const blob = scratch.git(root, '-c', 'core.fsmonitor=false', 'rev-parse', 'HEAD:file').toString().trim();
  rmSync(join(root, '.git/objects', blob.slice(0, 2), blob.slice(2)));
  rmSync(marker, { force: true });

  await sendTo(scratch, root, { name: 'whole', includeUntracked: true });
  const { guest } = await sendTo(scratch, root);
  assert.equal(existsSync(marker), false, existsSync(marker) ? readFileSync(marker, 'utf8') : '');
  const carried = readFileSync(join(guest, '.git/config'), 'utf8').split('\n');
  assert.deepEqual(
    carried.filter((line) => line.includes(program)),
    [`\turl = "ext::${program} %S"`],
  );
  assert.equal(existsSync(join(guest, '.git/hooks')), false);
  spawnSync('git', ['status'], { cwd: root, env: scratch.env });
  assert.equal(existsSync(marker), true, 'the traps work: git itself runs them');
});

test('environment variables of the daemon do not redirect git or tar', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'file');
  const nowhere = join(scratch.dir, 'nowhere');
  const source = createGitWorkspaceSource({
    tempDir: scratch.tempDir,
    userGitDir: nowhere,
    log: nullLog,
    env: {
      ...scratch.env,
      GIT_DIR: nowhere,
      GIT_WORK_TREE: nowhere,
      GIT_INDEX_FILE: nowhere,
      GIT_OBJECT_DIRECTORY: nowhere,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: nowhere,
      GIT_COMMON_DIR: nowhere,
      GIT_CEILING_DIRECTORIES: scratch.dir,
      GIT_NAMESPACE: 'x',
      GIT_TRACE: join(scratch.dir, 'trace'),
      GIT_EXTERNAL_DIFF: 'false',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.bare',
      GIT_CONFIG_VALUE_0: 'true',
      TAR_OPTIONS: '--exclude=*',
    },
  });
  const { guest } = await sendTo({ ...scratch, source }, root);
  assert.deepEqual(filesUnder(guest), ['./file']);
  assert.equal(existsSync(join(scratch.dir, 'trace')), false);
});

test('a repository cannot name files of the user as its own', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'file');
  const secret = join(scratch.home, 'secret');
  mkdirSync(join(scratch.home, 'keys'));
  writeFileSync(secret, 'top secret\n');
  writeFileSync(join(scratch.home, 'keys/onto'), 'top secret\n');
  scratch.git(root, 'config', 'core.excludesFile', secret);
  scratch.git(root, 'config', 'core.attributesFile', '~/secret');
  for (const name of [
    'info/exclude',
    'info/attributes',
    'MERGE_MSG',
    'CHERRY_PICK_HEAD',
    'info/sparse-checkout',
  ]) {
    rmSync(join(root, '.git', name), { force: true });
    symlinkSync(secret, join(root, '.git', name));
  }
  symlinkSync(join(scratch.home, 'keys'), join(root, '.git/rebase-merge'));
  const { guest } = await sendTo(scratch, root);
  const found = spawnSync('grep', ['-r', 'top secret', guest]);
  assert.equal(found.stdout.toString(), '');
});

test('a repository that names another working tree is refused', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'file');
  for (const [worktree, code] of [
    [scratch.home, 'WORKSPACE_GIT_FAILED'],
    ['../..', 'WORKSPACE_GIT_ELSEWHERE'],
  ] as const) {
    scratch.git(root, 'config', 'core.worktree', worktree);
    await assert.rejects(scratch.source.inspect(root, { signal: neverAborts() }), { code });
  }
  assertNothingLeft(scratch);
});

test('an index with paths that leave the working tree is refused', async () => {
  using scratch = makeScratch();
  const root = repositoryWith(scratch, 'file');
  writeFileSync(join(scratch.dir, 'outside'), 'secret\n');
  for (const path of ['../outside', '/etc/passwd', 'a/../../outside', '.git/config', 'a/.GIT/x', './file']) {
    writeFileSync(join(root, '.git/index'), indexOf(path));
    await assert.rejects(scratch.source.inspect(root, { signal: neverAborts() }), {
      code: 'WORKSPACE_GIT_FAILED',
    });
    await assert.rejects(scratch.source.pack(root, { signal: neverAborts() }), {
      code: 'WORKSPACE_GIT_FAILED',
    });
  }
  assertNothingLeft(scratch);
});

test('whatever replaces a tracked file, no other file is sent', async () => {
  using scratch = makeScratch();
  const names = [
    'parent/child',
    'now-folder',
    'now-fifo',
    'now-socket',
    'linked/a/b',
    'flagged/child',
    'stays',
  ];
  const root = repositoryWith(scratch, ...names);
  const outside = join(scratch.dir, 'outside');
  for (const name of ['child', 'a/b', 'more']) put(outside, name, 'secret\n');
  scratch.git(root, 'update-index', '--assume-unchanged', 'flagged/child');
  for (const name of ['parent', 'linked', 'flagged']) {
    rmSync(join(root, name), { recursive: true });
    symlinkSync(outside, join(root, name));
  }
  rmSync(join(root, 'now-folder'));
  put(root, 'now-folder/untracked', 'secret\n');
  rmSync(join(root, 'now-fifo'));
  assert.equal(spawnSync('mkfifo', [join(root, 'now-fifo')]).status, 0);
  rmSync(join(root, 'now-socket'));
  const server = createServer().listen(join(scratch.dir, 's'));
  await new Promise((resolve) => server.once('listening', resolve));
  renameSync(join(scratch.dir, 's'), join(root, 'now-socket'));
  try {
    const { guest } = await sendTo(scratch, root);
    assert.deepEqual(filesUnder(guest), ['./now-fifo', './stays']);
    assert.equal(lstatSync(join(guest, 'now-fifo')).isFIFO(), true);
    const deleted = ['linked/a/b', 'now-folder', 'parent/child'].map((name) => ` D ${name}`);
    const status = (path: string): string[] =>
      scratch
        .git(path, 'status', '--porcelain', '-uno')
        .toString()
        .split('\n')
        .filter((line) => !line.includes('socket'));
    assert.deepEqual(status(guest), status(root));
    assert.deepEqual(
      status(guest)
        .filter((line) => line.startsWith(' D'))
        .sort(),
      deleted,
    );
  } finally {
    server.close();
  }
});

/** An index of version 2 with one entry (gitformat-index(5)). */
function indexOf(path: string): Buffer {
  const name = Buffer.from(path);
  const entry = Buffer.alloc(Math.ceil((62 + name.length + 1) / 8) * 8);
  entry.writeUInt32BE(0o100644, 24);
  entry.fill(0x11, 40, 60);
  entry.writeUInt16BE(name.length, 60);
  name.copy(entry, 62);
  const header = Buffer.from([...Buffer.from('DIRC'), 0, 0, 0, 2, 0, 0, 0, 1]);
  const body = Buffer.concat([header, entry]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}
