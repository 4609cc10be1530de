import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { PulledWorkspace } from '../../../src/protocol/api/workspace-pull.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import {
  type CliResult,
  FakeOutput,
  FakeTerminalInput,
  runCli,
  stdinOf,
} from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

describe('banger vm workspace pull', () => {
  let lab: DaemonLab;
  let scratch: Scratch;
  let root: string;
  let guest: string;
  let count = 0;

  before(async () => {
    lab = await openDaemonLab();
    await lab.start();
    await resultOf(lab.client.createVm({ name: 'web' }, { signal: neverAborts() }));
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });
  beforeEach(async () => {
    scratch ??= makeScratch();
    count += 1;
    root = scratch.init(`repo${count}`);
    put(root, 'file', 'one\n');
    put(root, 'both', 'one\n');
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    guest = join(lab.dir, `guest${count}`);
    await prepareIn(lab, root, guest);
    put(guest, 'file', 'two\n');
    put(guest, 'new', 'new\n');
  });

  const pull = (...words: string[]): Promise<CliResult> =>
    runCli(['vm', 'workspace', 'pull', 'web', ...words], { env: lab.env, cwd: lab.dir, stdin: stdinOf() });
  async function atTerminal(typed: string): Promise<CliResult> {
    const stdin = new FakeTerminalInput();
    stdin.write(typed);
    const stderr = new FakeOutput({ isTTY: true, columns: 200 });
    const env = { ...lab.env, NO_COLOR: '1' };
    const ran = await runCli(['vm', 'workspace', 'pull', 'web'], { env, cwd: lab.dir, stdin, stderr });
    return { ...ran, stderr: stderr.text };
  }
  const file = (): string => readFileSync(join(root, 'file'), 'utf8');

  test('shows the changes, and makes them only after a yes', async () => {
    const no = await atTerminal('n\n');
    assert.deepEqual([no.status, file()], [1, 'one\n']);
    assert.match(no.stderr, /M {2}file\nA {2}new\n.*Change 2 files in .*\? \[y\/N\] .*nothing was changed/s);
    const yes = await atTerminal('y\n');
    assert.deepEqual([yes.status, file()], [0, 'two\n']);
    assert.match(yes.stderr, /2 files changed in .*banger vm workspace pull web --undo/);
    const undone = await pull('--undo');
    assert.deepEqual([undone.status, file()], [0, 'one\n'], undone.stderr);
  });

  test('needs --apply or --dry-run without a terminal, and does as they say', async () => {
    const refused = await pull();
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /there is no terminal.*--apply/s);
    const dry = await pull('--dry-run');
    assert.deepEqual([dry.status, dry.stdout, file()], [0, 'M  file\nA  new\n', 'one\n']);
    const applied = await pull('--apply', '--json');
    assert.equal((JSON.parse(applied.stdout) as PulledWorkspace).isApplied, true);
    assert.equal(file(), 'two\n');
    const none = await pull('--apply');
    assert.deepEqual([none.status, none.stdout], [0, '']);
    assert.match(none.stderr, /there are no changes/);
  });

  test('lists every conflict, and writes markers when it is told to', async () => {
    put(root, 'both', 'here\n');
    put(guest, 'both', 'there\n');
    const dry = await pull('--dry-run');
    assert.equal(dry.status, 1);
    assert.match(dry.stdout, /^C {2}both \(the same lines were changed here and in the VM\)$/m);
    const refused = await pull('--apply');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /1 file cannot be merged.*--conflicts markers/s);
    assert.equal(file(), 'one\n');
    const marked = await pull('--apply', '--conflicts', 'markers');
    assert.equal(marked.status, 1);
    assert.match(marked.stdout, /marked in the file/);
    assert.match(readFileSync(join(root, 'both'), 'utf8'), /^<<<<<<< this host$/m);
  });

  test('makes a branch of commits, and refuses options that exclude each other', async () => {
    scratch.git(guest, 'add', '-A');
    scratch.git(guest, '-c', 'user.name=x', '-c', 'user.email=x@y', 'commit', '-q', '-m', 'second');
    const landed = await pull('--branch', 'from-web');
    assert.equal(landed.status, 0, landed.stderr);
    assert.match(landed.stdout, /^from-web: 1 commit, at [0-9a-f]{40}$/m);
    assert.equal(scratch.git(root, 'log', '-1', '--format=%s', 'from-web').toString(), 'second\n');
    for (const words of [
      ['--undo', '--apply'],
      ['--branch', 'x', '--dry-run'],
      ['--conflicts', 'no'],
    ]) {
      assert.equal((await pull(...words)).status, 2);
    }
  });
});
