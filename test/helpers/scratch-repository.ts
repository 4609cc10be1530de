import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGitWorkspaceSource } from '../../src/adapters/workspace/git-workspace-source.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { createLogger } from '../../src/base/log.ts';
import type { WorkspaceContent, WorkspaceSource } from '../../src/core/ports/workspace.ts';
import type { WorkspaceSummary } from '../../src/protocol/api/workspace.ts';

/**
 * A folder with a home, git repositories and a source of workspaces, isolated from the settings of the user
 * of this machine.
 */
export interface Scratch extends Disposable {
  dir: string;
  home: string;
  tempDir: string;
  env: NodeJS.ProcessEnv;
  source: WorkspaceSource;
  /** log lines that the source wrote */
  logged: string[];
  /** Runs git in `cwd` and returns its stdout; fails the test when git fails. */
  git(cwd: string, ...args: string[]): Buffer;
  /** Makes a repository with an identity and no commits. */
  init(name: string, ...args: string[]): string;
}

/** Makes it; disposing removes it. */
export function makeScratch(options: { maxHistoryBytes?: number } = {}): Scratch {
  const dir = mkdtempSync(join(tmpdir(), 'workspace-test-'));
  const home = join(dir, 'home');
  const tempDir = join(dir, 'temp');
  mkdirSync(home);
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    LC_ALL: 'C',
    // git's own setting for its tests: on a busy disk, most of the time would be spent in fsync.
    GIT_TEST_FSYNC: '0',
  };
  const logged: string[] = [];
  const log = createLogger((line) => logged.push(line), { level: 'debug' });
  const userGitDir = join(home, '.config', 'git');
  const git = (cwd: string, ...args: string[]): Buffer => {
    const ran = spawnSync('git', args, { cwd, env, maxBuffer: 2 ** 30 });
    assert.equal(ran.status, 0, `git ${args.join(' ')}: ${ran.stderr}${ran.error ?? ''}`);
    return ran.stdout;
  };
  return {
    dir,
    home,
    tempDir,
    env,
    logged,
    source: createGitWorkspaceSource({ tempDir, env, userGitDir, log, ...options }),
    git,
    init: (name, ...args) => {
      const root = join(dir, name);
      git(dir, 'init', '-q', '-b', 'main', ...args, root);
      git(root, 'config', 'user.name', 'A U Thor');
      git(root, 'config', 'user.email', 'author@example.com');
      git(root, 'config', 'gc.auto', '0');
      return root;
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Writes a file of a repository and its parent folders; a name that is not UTF-8 is given as bytes. */
export function put(root: string, name: string | Buffer, content: string | Buffer = 'content\n'): void {
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)]);
  mkdirSync(path.subarray(0, path.lastIndexOf('/')), { recursive: true });
  writeFileSync(path, content);
}

/**
 * Packs `path` and unpacks it with GNU tar; returns the folder and the summary. Nothing of the packing is
 * left.
 */
export async function sendTo(
  scratch: Scratch,
  path: string,
  { name = 'guest', ...content }: WorkspaceContent & { name?: string } = {},
): Promise<{ guest: string; summary: WorkspaceSummary; branchStart?: string }> {
  const guest = join(scratch.dir, name);
  mkdirSync(guest);
  await using packed = await scratch.source.pack(path, { ...content, signal: neverAborts() });
  await unpack(packed.tar, guest);
  await packed.done;
  const { branchStart } = packed;
  const historyDepth = await packed.historyDepth;
  const summary = { ...packed.summary, ...(historyDepth === undefined ? {} : { historyDepth }) };
  return { guest, summary, ...(branchStart === undefined ? {} : { branchStart }) };
}

/** Unpacks an archive into a folder with GNU tar. */
export async function unpack(archive: AsyncIterable<Buffer>, folder: string): Promise<void> {
  if (process.env['BANGER_TEST_WAY_IN'] === 'base') {
    const { unpackThroughImage } = await import('./read-image.ts');
    return await unpackThroughImage(archive, folder);
  }
  const tar = spawn('tar', ['--extract', '--numeric-owner', '--preserve-permissions', '-C', folder], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(tar, 'close');
  // GNU tar would wait for the rest of a failed archive, and this process would wait for GNU tar.
  using _ = { [Symbol.dispose]: () => tar.stdin.destroy() };
  // GNU tar stops at the end-of-archive mark, which precedes the end of the stream.
  tar.stdin.on('error', () => {});
  for await (const chunk of archive) {
    if (tar.stdin.writable && !tar.stdin.write(chunk)) {
      await Promise.race([new Promise((resolve) => tar.stdin.once('drain', resolve)), ended]);
    }
  }
  tar.stdin.end();
  assert.deepEqual(await ended, [0, null]);
}

/**
 * Not `ls-files --deleted`: it only checks whether the name exists, so it mistakes an untracked folder with a
 * tracked file's name for that file, and untracked files are not sent. `diff --raw` lists what is deleted.
 */
const SAME_OUTPUT: readonly (readonly string[])[] = [
  ['status', '--porcelain=v1', '-z', '--untracked-files=no'],
  ['status', '--porcelain=v2', '--branch', '-z', '--untracked-files=no'],
  ['status', '--untracked-files=no'],
  ['diff'],
  ['diff', '--raw', '-z'],
  ['diff', '--cached', '--binary'],
  ['ls-files', '--stage', '-v', '-z'],
];

const SAME_HISTORY: readonly (readonly string[])[] = [
  ['log', '--format=fuller', '--stat'],
  ['describe', '--tags', '--always'],
  ['diff', 'HEAD', '--binary'],
];

/** Fails unless git reports the same in both working trees. */
export function assertSameToGit(
  scratch: Scratch,
  host: string,
  guest: string,
  options: { hasHistory?: boolean } = {},
): void {
  const { hasHistory = true } = options;
  for (const args of hasHistory ? [...SAME_OUTPUT, ...SAME_HISTORY] : SAME_OUTPUT) {
    const ask = (root: string): string =>
      scratch.git(root, '--no-optional-locks', '-c', 'core.quotePath=true', ...args).toString('latin1');
    assert.equal(ask(guest), ask(host), `git ${args.join(' ')}`);
  }
}

/** Names of everything below `root` except `.git`, as bytes in latin1, sorted. */
export function filesUnder(root: string): string[] {
  const ran = spawnSync('find', ['.', '-path', './.git', '-prune', '-o', '!', '-type', 'd', '-print0'], {
    cwd: root,
    maxBuffer: 2 ** 30,
  });
  return ran.stdout.toString('latin1').split('\0').filter(Boolean).sort();
}

/** Fails when the source left a folder, a file or a lock behind. */
export function assertNothingLeft(scratch: Scratch): void {
  assert.deepEqual(existsSync(scratch.tempDir) ? readdirSync(scratch.tempDir) : [], []);
}
