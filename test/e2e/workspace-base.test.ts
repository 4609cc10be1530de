import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { packersOf } from '../support/steps/residue.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { ownCache } from './support/own-cache.ts';

interface ListedBase {
  key: string;
  repoRoot: string;
  createdAt: string;
}

const INSIDE =
  'git status --porcelain; git diff; git log --format="%H %s"; git remote -v; cat plain; stat -c "%a %U" tool';

/** A lab whose cache the test may prune. */
async function openOwnLab(): Promise<Lab> {
  const scratch = await mkdtemp(join(tmpdir(), 'be-'));
  return await openLab({ scratch, env: await ownCache(join(scratch, 'h')) });
}

async function basesOf(lab: Lab, ...args: string[]): Promise<ListedBase[]> {
  return JSON.parse(await lab.text(['workspace', 'cache', ...args, '--json']));
}

async function makeRepository(lab: Lab): Promise<{
  repo: string;
  git: (...args: string[]) => Promise<Buffer>;
  outside: (plain: string) => Promise<string>;
}> {
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<Buffer> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout;
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  await writeFile(join(repo, 'plain'), 'one\n');
  await writeFile(join(repo, 'gone'), 'gone\n');
  await writeFile(join(repo, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
  const outside = async (plain: string): Promise<string> =>
    Buffer.concat([
      await git('status', '--porcelain'),
      await git('diff'),
      await git('log', '--format=%H %s'),
      await git('remote', '-v'),
      Buffer.from(`${plain}755 root\n`),
    ]).toString();
  return { repo, git, outside };
}

test('VMs begin with the working tree on their disk, made by the first of them, and later ones get what has changed since', async () => {
  await using lab = await openOwnLab();
  const { repo, git, outside } = await makeRepository(lab);
  const run = async (plain: string, ...options: string[]): Promise<void> => {
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, ...options, 'repo', '--', 'sh', '-c', INSIDE]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), await outside(plain));
  };
  const bases = (): Promise<ListedBase[]> => basesOf(lab, 'list');
  await writeFile(join(repo, 'plain'), 'edited before\n');
  await run('edited before\n');
  const made = await bases();
  assert.equal(made.length, 1);
  // Nothing has changed.
  await run('edited before\n');
  // Only a setting has changed.
  await git('remote', 'add', 'origin', 'https://example.com/x');
  await run('edited before\n');
  await writeFile(join(repo, 'plain'), 'edited after\n');
  await rm(join(repo, 'gone'));
  await writeFile(join(repo, 'staged'), 'staged\n');
  await git('add', 'staged');
  await run('edited after\n');
  await git('commit', '-qam', 'Second');
  await run('edited after\n', '--cold');
  assert.deepEqual(
    (await bases()).map(({ key }) => key),
    made.map(({ key }) => key),
  );
  // After a large change the base is made again, in the background.
  await writeFile(join(repo, 'large'), randomBytes(9 * 2 ** 20));
  await git('add', 'large');
  await git('commit', '-qm', 'Large');
  await run('edited after\n');
  const isNew = async (): Promise<boolean> => (await bases())[0]?.createdAt !== made[0]?.createdAt;
  await until(isNew, { what: 'the base to be made again' });
  await run('edited after\n');
  assert.equal((await basesOf(lab, 'prune', '--all', '--dry-run')).length, 1);
  assert.equal((await lab.run(['workspace', 'cache', 'prune', '--all'])).code, 0);
  assert.deepEqual(await bases(), []);
  await run('edited after\n');
  await lab.nothingLeft();
});

test('a daemon that is killed while it makes a base image leaves none of it, and the next one makes it whole', async () => {
  await using lab = await openOwnLab();
  const { repo, git, outside } = await makeRepository(lab);
  await git('config', 'core.compression', '0');
  // It takes a moment to write this much.
  await writeFile(join(repo, 'large'), randomBytes(64 * 2 ** 20));
  await git('add', 'large');
  await git('commit', '-qm', 'Large');
  // This starts the daemon.
  await lab.text(['vm', 'list']);
  const pid = await lab.daemonPid();
  const { workspaceBasesDir } = lab.paths;
  const start = ['vm', 'run', '--rm', ...SMALL, 'repo', '--', 'sh', '-c', INSIDE];
  const first = lab.start(start);
  const isMaking = async (): Promise<boolean> =>
    (await packersOf(lab.paths)).some((words) => words.includes(' ext4 '));
  await until(isMaking, { what: 'a base image to be made' });
  process.kill(pid, 'SIGKILL');
  await until(async () => (await packersOf(lab.paths)).length === 0, { what: 'all that made it to end' });
  const names = await readdir(workspaceBasesDir);
  assert.deepEqual(names, ['.staging']);
  assert.notEqual((await first.done).code, 0);
  const second = await lab.run(start);
  assert.equal(second.code, 0, second.stderr);
  assert.equal(second.stdout.toString(), await outside('one\n'));
  assert.equal((await basesOf(lab, 'list')).length, 1);
  assert.deepEqual(await readdir(join(workspaceBasesDir, '.staging')), []);
  await lab.nothingLeft();
});

test('a VM that began with a base takes further copies, and exports what its guest has changed', async () => {
  await using lab = await openLab();
  const { repo } = await makeRepository(lab);
  const ran = await lab.run(['vm', 'run', '-d', '--name', 'kept', ...SMALL, 'repo']);
  assert.equal(ran.code, 0, ran.stderr);
  const change = await lab.run(['vm', 'exec', 'kept', '--', 'sh', '-c', 'echo guest >/root/repo/gone']);
  assert.equal(change.code, 0, change.stderr);
  const patch = await lab.run(['vm', 'workspace', 'export', 'kept']);
  assert.match(patch.stdout.toString(), /^-gone\n\+guest$/m);
  await writeFile(join(repo, 'plain'), 'host\n');
  const again = await lab.run(['vm', 'workspace', 'prepare', 'kept', 'repo']);
  assert.equal(again.code, 0, again.stderr);
  const both = await lab.run(['vm', 'exec', 'kept', '--', 'cat', '/root/repo/plain', '/root/repo/gone']);
  assert.equal(both.stdout.toString(), 'host\nguest\n');
  assert.equal((await lab.run(['vm', 'delete', 'kept'])).code, 0);
});
