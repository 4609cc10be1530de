import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { TarEntry } from '../../../base/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';
import { DEFAULT_LIMITS } from './copy-limits.ts';
import { leftOutText } from './left-out.ts';
import { packHost } from './pack-host.ts';
import { type HostUnpacked, unpackHost } from './unpack-host.ts';

const signal = neverAborts();
const scratch = mkdtempSync(join(tmpdir(), 'cp-git-'));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

function folder(): string {
  count += 1;
  const path = join(scratch, String(count));
  mkdirSync(path);
  return path;
}

const marker = join(scratch, 'was-run');
const program = join(scratch, 'program');
writeFileSync(program, `#!/bin/sh\necho "$0" >> '${marker}'\n`);
chmodSync(program, 0o755);

function git(cwd: string, ...args: string[]): { status: number | null; text: string } {
  const env = {
    PATH: process.env['PATH'],
    HOME: scratch,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    LC_ALL: 'C',
  };
  const who = { GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' };
  const ran = spawnSync('git', args, { cwd, env: { ...env, ...who } });
  return { status: ran.status, text: `${ran.stdout}${ran.stderr}` };
}

type Given = { name: string; kind?: TarEntry['kind']; content?: string; linkName?: string; mode?: number };

async function* archiveOf(given: readonly Given[]): AsyncGenerator<Buffer> {
  for (const { name, kind = 'file', content = '', linkName = '', mode = 0o644 } of given) {
    const sizeBytes = Buffer.byteLength(content, 'latin1');
    const names = { name: Buffer.from(name, 'latin1'), linkName: Buffer.from(linkName, 'latin1') };
    yield tarHeader({ kind, mode, mtimeMs: 1e12, sizeBytes, ...names });
    yield Buffer.concat([Buffer.from(content, 'latin1'), tarPadding(sizeBytes)]);
  }
  yield TAR_END;
}

const unpack = (
  tar: AsyncIterable<Buffer>,
  dir: string,
  options: { takesAll?: boolean; isNew?: boolean } = {},
) =>
  unpackHost(tar, {
    dir,
    isNew: true,
    umask: 0o022,
    limits: DEFAULT_LIMITS,
    takesAll: false,
    signal,
    ...options,
  });

const told = ({ leftOut }: HostUnpacked) => leftOut.map(({ path, why }) => `${path}: ${why}`).sort();

/**
 * The git commands of a shell's prompt, in every folder of a tree, and other commands that a user runs
 * without suspicion.
 */
function useGit(dir: string): void {
  rmSync(marker, { force: true });
  const folders = spawnSync('find', [dir, '-type', 'd', '-print0']).stdout.toString('latin1').split('\0');
  for (const path of folders.filter(Boolean)) {
    for (const args of [
      ['status'],
      ['diff'],
      ['log', '-1'],
      ['add', '-A'],
      ['commit', '-q', '-m', 'x', '--allow-empty'],
    ]) {
      git(path, ...args);
    }
  }
}

/**
 * A repository that runs a program in every way that a guest could use, with a submodule, a linked working
 * tree and a bare repository in it.
 */
function evilTree(): string {
  const root = join(folder(), 'repo');
  mkdirSync(root);
  const inner = folder();
  git(inner, 'init', '-q');
  git(inner, 'commit', '-q', '--allow-empty', '-m', 'inner');
  git(root, 'init', '-q');
  writeFileSync(join(root, 'file'), 'x\n');
  writeFileSync(join(root, '.gitattributes'), '* filter=evil diff=evil\n');
  git(root, '-c', 'protocol.file.allow=always', 'submodule', 'add', inner, 'sub');
  git(root, 'add', '-A');
  git(root, 'commit', '-q', '-m', 'one');
  git(root, 'worktree', 'add', '-q', join(root, 'linked'));
  git(root, 'init', '-q', '--bare', join(root, 'bare.git'));
  git(root, 'init', '-q', join(root, 'nested'));
  for (const at of ['.git', '.git/modules/sub', 'bare.git', 'nested/.git']) {
    const config = join(root, at, 'config');
    for (const key of [
      'core.fsmonitor',
      'core.editor',
      'alias.st',
      'filter.evil.clean',
      'diff.evil.textconv',
    ]) {
      git(root, 'config', '--file', config, key, program);
    }
    git(root, 'config', '--file', config, 'core.hooksPath', join(root, at, 'hooks'));
    git(root, 'config', '--file', config, 'user.name', 'Somebody');
    for (const hook of ['pre-commit', 'post-index-change', 'post-checkout']) {
      mkdirSync(join(root, at, 'hooks'), { recursive: true });
      writeFileSync(join(root, at, 'hooks', hook), readFileSync(program));
      chmodSync(join(root, at, 'hooks', hook), 0o755);
    }
  }
  git(root, 'config', '--file', join(root, 'bare.git/config'), 'core.bare', 'false');
  git(root, 'config', '--file', join(root, 'bare.git/config'), 'core.worktree', root);
  return root;
}

test('git runs no program in a copy of a malicious repository; with --all it does', async () => {
  const root = evilTree();
  const copies = await Promise.all(
    [false, true].map(async (takesAll) => {
      const dir = folder();
      const packed = packHost({ kind: 'directory', path: root }, { signal, count: { skipped: 0 } });
      return { dir, unpacked: await unpack(packed, dir, { takesAll }) };
    }),
  );
  const [safe, all] = copies;
  assert.ok(safe && all);
  useGit(safe.dir);
  assert.equal(existsSync(marker), false, existsSync(marker) ? readFileSync(marker, 'utf8') : '');
  useGit(all.dir);
  assert.equal(existsSync(marker), true, 'the traps work: git itself runs them');
  assert.equal(all.unpacked.leftOutCount, 0);

  assert.match(git(safe.dir, 'log', '--format=%s').text, /one/);
  assert.match(readFileSync(join(safe.dir, '.git/config'), 'utf8'), /name = Somebody/);
  assert.match(readFileSync(join(safe.dir, 'bare.git/config'), 'utf8'), /name = Somebody/);
  assert.equal(git(join(safe.dir, 'bare.git'), 'rev-parse', '--is-bare-repository').text, 'false\n');
  assert.equal(git(safe.dir, 'fsck').status, 0);
  const hooks = ['post-checkout', 'post-index-change', 'pre-commit'];
  const expected = [
    ...[
      '.git/config: settings',
      '.git/worktrees: git-folder',
      'linked/.git: git-folder',
      'sub/.git: git-folder',
    ],
    ...['.git/modules/sub/config: settings', 'bare.git/config: settings', 'nested/.git/config: settings'],
    ...['.git', '.git/modules/sub', 'bare.git', 'nested/.git'].flatMap((at) =>
      hooks.map((hook) => `${at}/hooks/${hook}: hook`),
    ),
  ];
  assert.deepEqual(told(safe.unpacked), expected.sort());
  assert.equal(safe.unpacked.leftOutCount, expected.length);
  const settings = safe.unpacked.leftOut.find(({ path }) => path === '.git/config')?.settings ?? [];
  assert.ok(settings.includes('core.fsmonitor') && settings.includes('core.hookspath'), settings.join());
  assert.match(
    leftOutText(safe.unpacked),
    /^left out, .*core\.fsmonitor.* and \d+ more; --all copies it too$/,
  );
});

test('files that are only named like parts of a repository are copied unchanged', async () => {
  const given = [
    ...[
      'config',
      'HEAD',
      'hooks/post-checkout',
      'ssh/config',
      'app/HEAD',
      'app/objects/x',
      'else/commondir',
    ].map((name) => ({ name, content: name })),
    { name: '.git/HEAD', content: 'ref: refs/heads/main\n' },
    ...['config', 'hooks/x', 'worktrees', 'HEAD'].map((name) => ({
      name: `.git/refs/heads/${name}`,
      content: 'ref\n',
    })),
    { name: '.git/logs/refs/heads/config', content: 'log\n' },
    { name: '.git/hooks/pre-commit.sample', content: 'sample\n' },
    { name: '.gitignore', content: 'x\n' },
  ];
  const dir = folder();
  const unpacked = await unpack(archiveOf(given), dir);
  assert.deepEqual(told(unpacked), []);
  for (const { name, content } of given) assert.equal(readFileSync(join(dir, name), 'utf8'), content, name);
});

test('a repository on this host keeps its own settings and hooks, also a bare one', async () => {
  for (const at of ['.git', '.']) {
    const dir = folder();
    git(dir, 'init', '-q', ...(at === '.' ? ['--bare'] : []));
    const own = readFileSync(join(dir, at, 'config'), 'utf8');
    const given = [
      'config',
      'HEAD',
      'hooks/post-checkout',
      'commondir',
      'rebase-merge/git-rebase-todo',
      'description',
    ];
    const archive = archiveOf(
      given.map((name) => ({ name: `${at}/${name}`, content: `of the guest: ${name}\n` })),
    );
    const unpacked = await unpack(archive, dir, { isNew: false });
    const prefix = at === '.' ? '' : '.git/';
    assert.deepEqual(told(unpacked), [
      `${prefix}commondir: git-folder`,
      `${prefix}config: settings`,
      `${prefix}hooks/post-checkout: hook`,
    ]);
    assert.equal(readFileSync(join(dir, at, 'config'), 'utf8'), own);
    assert.match(readFileSync(join(dir, at, 'description'), 'utf8'), /of the guest/);
    assert.equal(existsSync(join(dir, at, 'hooks/post-checkout')), false);
  }
});

test('a folder on this host does not become a repository, and a folder inside a git folder gets no hooks', async () => {
  const dir = folder();
  mkdirSync(join(dir, 'mine/hooks'), { recursive: true });
  writeFileSync(join(dir, 'mine/hooks/post-checkout'), 'mine\n');
  const names = ['config', 'objects/x', 'refs/x', 'HEAD'];
  const unpacked = await unpack(
    archiveOf(names.map((name) => ({ name: `mine/${name}`, content: '[core]\n' }))),
    dir,
    { isNew: false },
  );
  assert.deepEqual(told(unpacked), ['mine/HEAD: bare-repository']);
  assert.deepEqual(readdirSync(join(dir, 'mine')).sort(), ['config', 'hooks', 'objects', 'refs']);
  assert.equal(readFileSync(join(dir, 'mine/hooks/post-checkout'), 'utf8'), 'mine\n');

  const repository = folder();
  git(repository, 'init', '-q');
  const hooks = join(repository, '.git/hooks');
  mkdirSync(hooks, { recursive: true });
  await unpack(archiveOf([{ name: 'pre-commit', content: 'x' }]), hooks, { isNew: false });
  assert.equal(existsSync(join(hooks, 'pre-commit')), false);
});

const HEAD = 'ref: refs/heads/main\n';
const EVIL = `[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfsmonitor = ${program}\n\thooksPath = hooks\n`;

test('no archive can create a repository that runs a program', async () => {
  const base = fc.constantFrom('.git', '.GIT', 'bare', 'a/.git', '.git/modules/m', 'r', '.');
  const part: fc.Arbitrary<Given> = fc.oneof(
    fc.constant({ name: 'HEAD', content: HEAD }),
    fc.constant({ name: 'HEAD', kind: 'symlink' as const, linkName: 'refs/heads/main' }),
    fc.constant({ name: 'HEAD', kind: 'hard-link' as const, linkName: 'x/head-text' }),
    fc
      .constantFrom('config', 'Config', 'x/other', 'config.worktree')
      .map((name) => ({ name, content: EVIL })),
    fc
      .constantFrom('config', '.git')
      .map((name) => ({ name, kind: 'symlink' as const, linkName: 'x/other' })),
    fc
      .constantFrom('config', 'HEAD')
      .map((name) => ({ name, kind: 'hard-link' as const, linkName: 'x/other' })),
    fc
      .constantFrom('objects/', 'refs/', 'hooks/')
      .map((name) => ({ name, kind: 'directory' as const, mode: 0o755 })),
    fc.constantFrom('../bare', 'bare', '/tmp').map((to) => ({ name: '.git', content: `gitdir: ${to}\n` })),
    fc.constantFrom('../bare', '../r').map((to) => ({ name: 'commondir', content: `${to}\n` })),
    fc
      .constantFrom('bare', 'r', '../bare')
      .map((linkName) => ({ name: '.git', kind: 'symlink' as const, linkName })),
    fc.constant({ name: 'hooks/post-index-change', content: '#!/bin/sh\ntouch "$MARK"\n', mode: 0o755 }),
  );
  const shared: readonly Given[] = [
    { name: 'x/other', content: EVIL },
    { name: 'x/head-text', content: HEAD },
  ];
  const whole: readonly Given[] = [
    { name: 'objects/', kind: 'directory', mode: 0o755 },
    { name: 'refs/', kind: 'directory', mode: 0o755 },
    { name: 'config', content: EVIL },
    { name: 'HEAD', content: HEAD },
  ];
  const entries = fc
    .tuple(
      fc.shuffledSubarray([...whole]),
      fc.array(part, { maxLength: 6 }),
      base,
      fc.array(base, { maxLength: 6 }),
    )
    .map(([most, some, home, homes]) => [
      ...shared,
      ...most.map((one) => ({ ...one, name: `${home}/${one.name}` })),
      ...some.map((one, at) => ({ ...one, name: `${homes[at] ?? home}/${one.name}` })),
    ]);
  await fc.assert(
    fc.asyncProperty(entries, async (given) => {
      const dir = folder();
      try {
        await unpack(archiveOf(given), dir);
      } catch (error) {
        assert.ok(isAppError(error, 'COPY_REFUSED', 'COPY_FAILED'), String(error));
      }
      rmSync(marker, { force: true });
      for (const at of ['.', 'bare', 'a', 'r', '.git/modules/m', 'x']) {
        if (!existsSync(join(dir, at))) continue;
        git(join(dir, at), 'status');
        git(join(dir, at), '-c', 'core.bare=false', '--work-tree=.', 'add', '-A');
      }
      assert.equal(existsSync(marker), false);
      const left = spawnSync('find', [dir, '-name', '.banger-*']).stdout.toString();
      assert.equal(left, '');
      rmSync(dir, { recursive: true });
    }),
    { numRuns: 60 },
  );
});
