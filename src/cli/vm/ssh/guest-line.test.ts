import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { exec } from '../../../base/process/exec.ts';
import { commandLine, loginShellLine } from './guest-line.ts';

test('several words reach the guest as the same words, one word is a line for its shell', async () => {
  const run = async (command: string[]): Promise<string> => {
    const line = commandLine(command) ?? '';
    return (await exec(['sh', '-c', line], { signal: neverAborts() })).stdout.toString();
  };
  assert.equal(await run(['sh', '-c', 'cd / && pwd']), '/\n');
  assert.equal(await run(['printf', '[%s]', 'a b', '$HOME', "it's", '&&']), "[a b][$HOME][it's][&&]");
  assert.equal(await run(['cd / && pwd']), '/\n');
  assert.equal(commandLine(['uptime', '-p']), 'uptime -p');
  assert.equal(commandLine([]), undefined);
});

describe('loginShellLine', () => {
  let dir: string;
  before(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'line-')));
    mkdirSync(join(dir, "it's a repo", 'sub'), { recursive: true });
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** The folder in which the shell starts, and its output. */
  async function startOf(...folders: [string, ...string[]]): Promise<string[]> {
    const env = { HOME: dir, SHELL: '/bin/sh', PATH: process.env['PATH'] ?? '' };
    const line = `${loginShellLine(folders)} 2>&1`;
    const ran = await exec(['sh', '-c', line], { signal: neverAborts(), env, input: 'pwd\n' });
    return ran.stdout.toString().trimEnd().split('\n');
  }

  test('starts in the first folder that exists', async () => {
    const repo = join(dir, "it's a repo");
    assert.deepEqual(await startOf(join(repo, 'sub'), repo), [join(repo, 'sub')]);
  });

  test('says so when it starts elsewhere, at last in the home folder', async () => {
    const repo = join(dir, "it's a repo");
    const gone = join(repo, 'gone');
    assert.deepEqual(await startOf(gone, repo), [`the VM has no folder ${gone}; starting in ${repo}`, repo]);
    assert.deepEqual(await startOf(gone, gone), [`the VM has no folder ${gone}; starting in ${dir}`, dir]);
  });
});
