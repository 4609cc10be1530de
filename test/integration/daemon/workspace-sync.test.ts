import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type CliResult, FakeOutput, FakeSignals, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;
let root: string;
let guest: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true });
  scratch = makeScratch();
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  root = scratch.init('repo');
  for (const name of ['a', 'b', 'folder/c']) put(root, name, 'one\n');
  put(root, '.gitignore', 'ignored\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  guest = join(lab.dir, 'guest');
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

const textOf = (name: string): string => readFileSync(join(guest, name), 'utf8');

interface Watching {
  stdout: FakeOutput;
  stderr: FakeOutput;
  /** Presses Ctrl-C and waits for the end. */
  end(): Promise<CliResult>;
  ended: Promise<CliResult>;
}

async function watching(): Promise<Watching> {
  const signals = new FakeSignals();
  const stdout = new FakeOutput();
  const stderr = new FakeOutput();
  const argv = ['vm', 'workspace', 'sync', 'web', '--watch'];
  const ended = runCli(argv, { env: lab.env, cwd: lab.dir, stdin: stdinOf(), signals, stdout, stderr });
  await until(() => stderr.text.includes('watching'), { what: 'the watch' });
  return {
    stdout,
    stderr,
    ended,
    end: async () => {
      signals.send('SIGINT');
      return await ended;
    },
  };
}

const sync = (...words: string[]): Promise<CliResult> =>
  runCli(['vm', 'workspace', 'sync', 'web', ...words], { env: lab.env, cwd: lab.dir, stdin: stdinOf() });

test('without --watch it copies once, and needs a VM that has a working tree', async () => {
  const none = await sync();
  assert.match(none.stderr, /Cannot sync "web": no working tree was copied into it/);
  assert.equal((await sync('--watch', '--json')).status, 2);
  await prepareIn(lab, root, guest);
  put(root, 'a', 'two\n');
  const ran = await sync();
  assert.deepEqual([ran.status, /^web: sent /.test(ran.stdout)], [0, true], ran.stderr);
  assert.equal(textOf('a'), 'two\n');
  assert.match((await sync()).stderr, /nothing has changed/);
});

test('--watch copies edits, renames, new folders and branch switches as they come, and nothing ignored', async () => {
  const watch = await watching();
  put(root, 'folder/c', 'edited\n');
  await until(() => textOf('folder/c') === 'edited\n', { what: 'the edit' });
  put(root, '.a.swp', 'saved by rename\n');
  renameSync(join(root, '.a.swp'), join(root, 'a'));
  await until(() => textOf('a') === 'saved by rename\n', { what: 'the rename' });
  put(root, 'a', 'after the rename\n');
  await until(() => textOf('a') === 'after the rename\n', { what: 'the edit after it' });
  mkdirSync(join(root, 'new/deep'), { recursive: true });
  put(root, 'new/deep/file', 'one\n');
  scratch.git(root, 'add', 'new');
  await until(() => existsSync(join(guest, 'new/deep/file')), { what: 'the new folder' });
  // The new folder is watched a moment after its files came.
  let number = 0;
  const edit = (): boolean => {
    if (textOf('new/deep/file') !== 'one\n') return true;
    number += 1;
    put(root, 'new/deep/file', `${number}\n`);
    return false;
  };
  await until(edit, { what: 'an edit in the new folder', everyMs: 1_000 });
  await until(() => textOf('new/deep/file') === `${number}\n`, { what: 'the last of these edits' });
  scratch.git(root, 'checkout', '-q', '-f', '-b', 'side');
  rmSync(join(root, 'b'));
  scratch.git(root, 'commit', '-q', '-a', '-m', 'second');
  await until(() => !existsSync(join(guest, 'b')), { what: 'the deletion' });
  const sentBefore = watch.stdout.text;
  put(root, 'ignored', 'x\n');
  put(root, 'a', 'after what is ignored\n');
  await until(() => textOf('a') === 'after what is ignored\n', { what: 'the last edit' });
  assert.ok(!existsSync(join(guest, 'ignored')));
  assert.ok(watch.stdout.text.startsWith(sentBefore));
  assert.equal((await watch.end()).status, 130);
});

test('a thousand files at once arrive in a few copies', async () => {
  const names = Array.from({ length: 1_000 }, (_, at) => `many/${at % 10}/${at}`);
  for (const name of names) put(root, name, 'one\n');
  scratch.git(root, 'add', '-A');
  const watch = await watching();
  await until(() => existsSync(join(guest, names.at(-1) ?? '')), { what: 'the files' });
  const before = watch.stdout.text.split('\n').length;
  for (const name of names) put(root, name, 'two\n');
  await until(() => names.every((name) => textOf(name) === 'two\n'), { what: 'all edits' });
  assert.ok(watch.stdout.text.split('\n').length - before < 50, watch.stdout.text);
  assert.equal((await watch.end()).status, 130);
});

test('what the guest has changed is reported once and not overwritten; --watch goes on when it is settled', async () => {
  const watch = await watching();
  put(guest, 'a', 'the guest\n');
  put(root, 'a', 'the host\n');
  await until(() => /warning: .*"a"; nothing is sent until/.test(watch.stderr.text), { what: 'the report' });
  put(root, 'a', 'the host again\n');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(textOf('a'), 'the guest\n');
  put(guest, 'a', 'the host again\n');
  put(root, 'folder/c', 'settled\n');
  await until(() => textOf('folder/c') === 'settled\n', { what: 'what comes after it' });
  assert.equal(watch.stderr.text.match(/nothing is sent until/g)?.length, 1);
  await watch.end();
});

test('--watch waits while the VM is suspended, and ends with a reason when it is stopped', async () => {
  const watch = await watching();
  await resultOf(lab.client.suspendVm('web', { signal }));
  put(root, 'a', 'while suspended\n');
  await until(() => watch.stderr.text.includes('is suspended; copying resumes'), { what: 'the notice' });
  await resultOf(lab.client.startVm('web', { signal }));
  await until(() => textOf('a') === 'while suspended\n', { what: 'the edit' });
  await resultOf(lab.client.stopVm('web', { signal }));
  put(root, 'a', 'too late\n');
  assert.equal((await watch.ended).status, 1);
  assert.match(watch.stderr.text, /Cannot copy any more: vm "web" is stopped\n.*banger vm start web/);
});
