import assert from 'node:assert/strict';
import { mkdtemp, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { editFiles, makeRepository } from '../../bench/make-repository.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { openLab, SMALL } from './support/lab.ts';
import { ownCache } from './support/own-cache.ts';

/** More than those from which on git asks the agent. */
const FILES = 10_500;

/** Looks at the tree as git does, and with git's own look at all files. */
const LOOK = `
look() {
  GIT_TRACE2_PERF=/tmp/trace git status --porcelain >/tmp/asked || exit
  git -c core.fsmonitor= -c core.untrackedCache=false --no-optional-locks status --porcelain >/tmp/looked || exit
  cmp /tmp/asked /tmp/looked >&2 || exit
  echo "$1: $(sed -n 's/.*sum_lstat:\\([0-9]*\\).*/\\1/p' /tmp/trace | sort -n | tail -n 1) looked at"
  sed 's/^/  /' /tmp/asked
  rm -f /tmp/trace
}
`;

test('git in a VM with a large working tree looks only at what has changed, and prints the same', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'be-'));
  await using lab = await openLab({ scratch, env: await ownCache(join(scratch, 'h')) });
  const repo = join(lab.scratch, 'repo');
  const signal = neverAborts();
  await makeRepository(repo, FILES, { signal });
  const { stdout } = await exec(['git', '-C', repo, 'ls-files', '-z'], { signal });
  const names = stdout.toString().split('\0').slice(0, -1);
  const [first = '', second = '', third = ''] = names.slice(FILES / 2);
  // Git reads a file that is as new as the index.
  const old = Date.now() / 1000 - 60;
  for (const name of names) await utimes(join(repo, name), old, old);
  await editFiles(repo, 2);
  const sh = async (script: string): Promise<string> => {
    const { code, stdout: out, stderr } = await lab.run(['vm', 'exec', 'watched', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    return out.toString();
  };
  // The first VM makes the base image; another one begins with it as well.
  for (const name of ['making', 'watched']) {
    const ran = await lab.run(['vm', 'run', '--detach', '--name', name, ...SMALL, 'repo']);
    assert.equal(ran.code, 0, ran.stderr);
    if (name === 'making') await lab.run(['vm', 'delete', '--force', name]);
  }
  const edited = (await exec(['git', '-C', repo, 'status', '--porcelain'], { signal })).stdout.toString();
  const indented = edited.replace(/^(?=.)/gm, '  ');
  assert.equal(await sh(`${LOOK} look first`), `first: 2 looked at\n${indented}`);
  const changed = await sh(
    `${LOOK} echo more >>'${first}'; rm '${second}'; echo new >new; look second; git checkout -q -- '${second}'; rm new; look third`,
  );
  assert.match(changed, /^second: [3-9] looked at\n/);
  assert.match(changed, /\?\? new\n/);
  // What the host copies is a change like others.
  await sh(`git checkout -q -- '${first}'`);
  await writeFile(join(repo, third), 'of the host\n');
  const copied = await lab.run(['vm', 'workspace', 'prepare', 'watched', 'repo']);
  assert.equal(copied.code, 0, copied.stderr);
  assert.match(await sh(`${LOOK} look copied`), new RegExp(`^  M ${third}$|^   M ${third}$`, 'm'));
  // The agent does not know what changed while it did not run: git looks at all files once.
  const stopped = await lab.run(['vm', 'stop', 'watched']);
  assert.equal(stopped.code, 0, stopped.stderr);
  const started = await lab.run(['vm', 'start', 'watched']);
  assert.equal(started.code, 0, started.stderr);
  const counts = await sh(`${LOOK} look booted; look again`);
  assert.match(counts, new RegExp(`^booted: ${FILES} looked at$`, 'm'));
  assert.match(counts, /^again: [0-9] looked at$/m);
});
