import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MARK_SENT, READ_STATE } from '../../../src/protocol/workspace-state.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import {
  type CliLab,
  type CliResult,
  FakeOutput,
  FakeTerminalInput,
  openCliLab,
} from '../../support/cli/cli-harness.ts';
import { soon } from '../../support/soon.ts';

/** The fake daemon runs a guest's commands on this host, so that a repository here is one of the guest. */
describe('banger vm delete', () => {
  let lab: CliLab;
  let scratch: Scratch;
  let guest: string;
  let first: string;

  beforeEach(async () => {
    lab = await openCliLab();
    scratch = makeScratch();
    guest = scratch.init('guest');
    put(guest, 'file', 'one\n');
    put(guest, '.gitignore', 'ignored\n');
    scratch.git(guest, 'add', '-A');
    scratch.git(guest, 'commit', '-q', '-m', 'first');
    first = scratch.git(guest, 'rev-parse', 'HEAD').toString().trim();
    notePrepared();
    addWeb();
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const addWeb = (): void => void lab.addVm('web', { workspace: { guestPath: guest, sourcePath: lab.home } });

  /** As a copy from the host does, of a working tree without edits. */
  function notePrepared(): void {
    const argv = ['-c', READ_STATE + MARK_SENT, 'mark', guest];
    execFileSync('sh', argv, { env: scratch.env, stdio: 'ignore' });
  }

  /** `vm delete` at a terminal, where the user types this. */
  async function atTerminal(typed: string, ...argv: string[]): Promise<CliResult> {
    const stdin = new FakeTerminalInput();
    stdin.write(typed);
    const stderr = new FakeOutput({ isTTY: true, columns: 200 });
    const words = ['vm', 'delete', ...(argv.length > 0 ? argv : ['web'])];
    const ran = await lab.run(words, { stdin, stderr, env: { NO_COLOR: '1' } });
    return { ...ran, stderr: stderr.text };
  }
  const names = (): string[] => [...lab.daemon.vms.values()].map(({ name }) => name).sort();

  async function isAsked(): Promise<boolean> {
    const { status, stderr } = await atTerminal('n\n');
    if (status === 0) addWeb();
    assert.equal(status === 1, /\[y\/N\]/.test(stderr), stderr);
    return status === 1;
  }

  test('asks when the files or HEAD of the workspace are not as they were copied', async () => {
    assert.equal(await isAsked(), false, 'nothing has changed');
    put(guest, 'ignored', 'x\n');
    assert.equal(await isAsked(), false, 'ignored files do not count');
    put(guest, 'new', 'x\n');
    assert.equal(await isAsked(), true, 'a new file');
    rmSync(join(guest, 'new'));
    put(guest, 'file', 'two\n');
    assert.equal(await isAsked(), true, 'an edit');
    scratch.git(guest, 'commit', '-q', '-am', 'second');
    assert.equal(await isAsked(), true, 'a commit');
    scratch.git(guest, 'reset', '-q', '--hard', first);
    assert.equal(await isAsked(), false, 'all is as it was');
    rmSync(join(guest, 'file'));
    assert.equal(await isAsked(), true, 'a deletion');
  });

  test('asks no more once that very state is exported, commits included', async () => {
    const exported = async (...words: string[]): Promise<void> => {
      assert.equal((await lab.run(['vm', 'workspace', 'export', 'web', ...words])).status, 0);
    };
    put(guest, 'file', 'two\n');
    await exported();
    assert.equal(await isAsked(), false);
    put(guest, 'file', 'three\n');
    assert.equal(await isAsked(), true);
    scratch.git(guest, 'commit', '-q', '-am', 'second');
    const second = scratch.git(guest, 'rev-parse', 'HEAD').toString().trim();
    await exported('--base-commit', second);
    assert.equal(await isAsked(), true, 'the patch lacks the commit');
    await exported('--base-commit', first, '-o', join(lab.home, 'all.patch'));
    assert.equal(await isAsked(), false);
    put(guest, 'file', 'four\n');
    await exported();
    assert.equal(await isAsked(), false, 'without a base, commits are in the patch');
    assert.match(readFileSync(join(lab.home, 'all.patch'), 'utf8'), /^\+three$/m);
  });

  test('deletes after a yes only, and asks once for several', async () => {
    put(guest, 'new', 'x\n');
    lab.addVm('db');
    lab.addVm('off', { state: 'stopped', workspace: { guestPath: guest, sourcePath: '/' } });
    const refused = await atTerminal('n\n', 'web', 'db', 'off');
    assert.deepEqual([refused.status, refused.stdout, names()], [1, '', ['db', 'off', 'web']]);
    assert.match(refused.stderr, /vm "web" has changes that were not exported; .*export web\n/);
    assert.match(
      refused.stderr,
      /Delete all 3 VMs, and the changes with it\? \[y\/N\] .*nothing was deleted\n/s,
    );
    const done = await atTerminal('y\n', 'web', 'db', 'off');
    assert.deepEqual([done.status, names()], [0, []]);
  });

  test('asks when the guest cannot say, or not in time', async () => {
    rmSync(join(guest, '.git'), { recursive: true });
    const broken = await atTerminal('n\n');
    assert.match(broken.stderr, /vm "web" does not say whether it has changes/);
    assert.equal(broken.status, 1);
    lab.daemon.vms.clear();
    const hung = lab.addVm('hung', { workspace: { guestPath: '/x', sourcePath: '/' } });
    lab.daemon.hangs.add(hung.id);
    const late = await soon(20_000, atTerminal('n\n', 'hung'));
    assert.deepEqual([late.status, names()], [1, ['hung']]);
    assert.match(late.stderr, /vm "hung" does not say whether it has changes/);
  });

  test('never asks without a terminal, with --force, with --json, or about a VM without a workspace', async () => {
    put(guest, 'new', 'x\n');
    lab.addVm('db');
    assert.equal((await atTerminal('', 'db')).status, 0);
    for (const argv of [['web', '-f'], ['web', '--json'], undefined]) {
      const ran = await (argv ? atTerminal('', ...argv) : lab.run(['vm', 'delete', 'web']));
      assert.deepEqual([ran.status, names()], [0, []]);
      assert.doesNotMatch(ran.stderr, /y\/N/);
      addWeb();
    }
    const { stderr } = await atTerminal('', 'nobody');
    assert.match(stderr, /Cannot find a vm "nobody"/);
  });
});
