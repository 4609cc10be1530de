import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type BundledCli, bundleCli } from '../../support/cli/bundled-cli.ts';
import { runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { openTerminal, type Terminal } from '../../support/cli/terminal.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

const numbered = (edits: Readonly<Record<number, string>> = {}): string =>
  Array.from({ length: 30 }, (_, at) => `${edits[at] ?? `line ${at}`}\n`).join('');

describe('banger vm workspace pull --hunks in a terminal', () => {
  let lab: DaemonLab;
  let scratch: Scratch;
  let cli: BundledCli;
  let root: string;
  let guest: string;
  let terminal: Terminal | undefined;
  let count = 0;

  before(async () => {
    cli = await bundleCli();
    lab = await openDaemonLab();
    await lab.start();
    await resultOf(lab.client.createVm({ name: 'web' }, { signal: neverAborts() }));
    scratch = makeScratch();
  });
  after(async () => {
    cli[Symbol.dispose]();
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });
  beforeEach(async () => {
    count += 1;
    root = scratch.init(`repo${count}`);
    put(root, 'a.txt', numbered());
    put(root, 'old', 'one\n');
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    guest = join(lab.dir, `guest${count}`);
    await prepareIn(lab, root, guest);
    put(guest, 'a.txt', numbered({ 2: 'two', 5: 'five', 25: 'late' }));
    put(guest, 'new', 'ctrl \u001b[2J here\n');
    rmSync(join(guest, 'old'));
  });
  afterEach(() => {
    terminal?.[Symbol.dispose]();
    terminal = undefined;
  });

  const open = (more = ''): Terminal => {
    const banger = `"${process.execPath}" "${cli.path}"`;
    // The shell outlives a Ctrl-C, to say how the command ended.
    const line = `trap : INT; ${banger} vm workspace pull web --hunks ${more}; echo "status=$?"`;
    terminal = openTerminal(['/bin/sh', '-c', line], { env: { ...lab.env, TERM: 'xterm' }, cols: 200 });
    return terminal;
  };
  /** Types a line, and waits for what comes then. */
  const answer = async (opened: Terminal, typed: string, then: string | RegExp): Promise<void> => {
    opened.type(`${typed}\r`);
    await opened.shows(then);
  };
  const file = (name: string): string => readFileSync(join(root, name), 'utf8');

  test('asks about each hunk, splits one, explains the letters, and pulls what was chosen', async () => {
    const opened = open();
    await opened.shows('(file 1/3, 1/2) Pull this hunk [y,n,q,a,d,s,?]? ');
    for (const text of ['diff --git a/a.txt b/a.txt', '--- a/a.txt', '@@ -1,9 +1,9 @@', '-line 2', '+five']) {
      assert.ok(opened.output().includes(text), text);
    }
    await answer(opened, '?', 's - split this hunk into smaller hunks');
    await answer(opened, 's', '(file 1/3, 1/3) Pull this hunk [y,n,q,a,d,?]? ');
    await answer(opened, 'y', '(file 1/3, 2/3)');
    await answer(opened, 'n', '(file 1/3, 3/3)');
    await answer(opened, 'y', '(file 2/3, 1/1) Pull the addition of this file');
    assert.ok(opened.output().includes('+ctrl ^[[2J here'), 'a guest cannot clear the screen');
    await answer(opened, 'y', '(file 3/3, 1/1) Pull the deletion of this file');
    await answer(opened, 'n', 'status=0');
    assert.match(opened.output(), /2 files changed in .*banger vm workspace pull web --undo/s);
    assert.equal(file('a.txt'), numbered({ 2: 'two', 25: 'late' }));
    assert.equal(file('new'), 'ctrl \u001b[2J here\n');
    assert.equal(file('old'), 'one\n');
  });

  test('shows again what was left out, and goes back to a hunk', async () => {
    const first = open();
    await first.shows('(file 1/3, 1/2)');
    await answer(first, 'n', '(file 1/3, 2/2) Pull this hunk [y,n,q,a,d,K,?]? ');
    first.type('K\r');
    await first.shows(/(?:\(file 1\/3, 1\/2\).*){2}/s);
    await answer(first, 'yes', /(?:\(file 1\/3, 2\/2\).*){2}/s);
    await answer(first, 'q', 'status=0');
    assert.equal(file('a.txt'), numbered({ 2: 'two', 5: 'five' }));
    first[Symbol.dispose]();
    const second = open();
    await second.shows('(file 1/3, 1/1)');
    assert.ok(second.output().includes('+late') && !second.output().includes('+five'));
    await answer(second, 'a', '(file 2/3, 1/1)');
    await answer(second, 'a', '(file 3/3, 1/1)');
    await answer(second, 'a', 'status=0');
    assert.deepEqual(treeOf(root), treeOf(guest));
  });

  test('asks about the mode of a file by itself, and d leaves the rest of a file', async () => {
    chmodSync(join(guest, 'a.txt'), 0o755);
    const opened = open('--json');
    await opened.shows('(file 1/3, 1/3) Pull this change of the mode');
    assert.match(opened.output(), /old mode 100644.*new mode 100755/s);
    assert.ok(opened.screen().includes('diff --git a/a.txt b/a.txt'), 'the progress is gone');
    await answer(opened, 'y', '(file 1/3, 2/3)');
    await answer(opened, 'd', '(file 2/3, 1/1)');
    await answer(opened, 'q', 'status=0');
    assert.match(opened.output(), /"isApplied": true/);
    assert.equal(statSync(join(root, 'a.txt')).mode & 0o111, 0o111);
    assert.equal(file('a.txt'), numbered());
  });

  test('Ctrl-C, the end of the input and nothing but no change nothing', async () => {
    const before = treeOf(root);
    const interrupted = open();
    await interrupted.shows('(file 1/3, 1/2)');
    await answer(interrupted, 'y', '(file 1/3, 2/2)');
    interrupted.type('\u0003');
    await interrupted.shows('status=130');
    assert.deepEqual(treeOf(root), before);
    interrupted[Symbol.dispose]();
    const ended = open();
    await ended.shows('(file 1/3, 1/2)');
    await answer(ended, 'y', '(file 1/3, 2/2)');
    ended.type('\u0004');
    await ended.shows('status=1');
    assert.match(ended.output(), /nothing was changed/);
    ended[Symbol.dispose]();
    const none = open();
    await none.shows('(file 1/3, 1/2)');
    await answer(none, 'q', 'status=1');
    assert.deepEqual(treeOf(root), before);
  });

  test('refuses a file that changed while the user chose, and changes nothing', async () => {
    const opened = open();
    await opened.shows('(file 1/3, 1/2)');
    put(root, 'a.txt', numbered({ 12: 'meanwhile' }));
    const before = treeOf(root);
    await answer(opened, 'a', '(file 2/3, 1/1)');
    await answer(opened, 'y', '(file 3/3, 1/1)');
    await answer(opened, 'n', 'status=1');
    assert.match(opened.output(), /chosen files were changed meanwhile.*pull again/s);
    assert.deepEqual(treeOf(root), before);
  });

  test('needs a terminal, and says what does without one', async () => {
    const words = ['vm', 'workspace', 'pull', 'web', '--hunks'];
    const at = { env: lab.env, cwd: lab.dir, stdin: stdinOf() };
    const refused = await runCli(words, at);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /which hunks to pull: there is no terminal.*--apply.*git apply/s);
    for (const other of ['--apply', '--dry-run', '--undo']) {
      const both = await runCli([...words, other], at);
      assert.equal(both.status, 2);
      assert.match(both.stderr, new RegExp(`${other}.* together`));
    }
  });
});
