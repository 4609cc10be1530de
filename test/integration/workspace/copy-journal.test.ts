import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import {
  type ApplyStep,
  addedPath,
  applyAllCommand,
  stepLines,
} from '../../../src/core/vms/workspace/copy-journal.ts';
import { stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { GUEST_DIFFERS } from '../../../src/protocol/workspace-state.ts';
import { inGuest, killers, sendDelta } from '../../helpers/guest-shell.ts';
import {
  assertSameToGit,
  makeScratch,
  put,
  type Scratch,
  sendTo,
  unpack,
} from '../../helpers/scratch-repository.ts';
import { commitAll, withSubmodules } from '../../helpers/submodules.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const FOLDERS = ['', 'lib', 'lib/nested'];
const STEPS: ApplyStep[] = [
  // The host has initialised a submodule, and does not know what the guest's `.git/config` was.
  ...FOLDERS.map((folder): ApplyStep => ({ do: 'update', folder, how: folder === '' ? 'force' : 'apply' })),
  { do: 'add', folder: 'unused', number: 0 },
];

let scratch: Scratch;
let root: string;
/** not changed by tests, which work on copies */
let guest: string;

before(async () => {
  scratch = makeScratch();
  ({ root, guest } = await staged(scratch));
});
after(() => scratch[Symbol.dispose]());

/** A guest that was sent changes of a repository and its submodules, and one submodule that it lacks. */
async function staged(scratch: Scratch): Promise<{ root: string; guest: string }> {
  const { root } = withSubmodules(scratch);
  const { guest } = await sendTo(scratch, root);
  for (const [path, message] of [
    ['lib/nested/deep', 'nested'],
    ['lib/code', 'lib'],
    ['top', 'top'],
  ] as const) {
    put(root, path, 'two\n');
    commitAll(scratch, join(root, path, '..'), message);
    put(root, path, 'three\n');
  }
  const allow = ['-c', 'protocol.file.allow=always'];
  scratch.git(root, ...allow, 'submodule', '--quiet', 'update', '--init', 'unused');
  for (const folder of FOLDERS) await sendDelta(scratch, join(root, folder), join(guest, folder));
  mkdirSync(addedPath(guest, 0), { recursive: true });
  await using packed = await scratch.source.pack(join(root, 'unused'), { signal });
  await unpack(packed.tar, addedPath(guest, 0));
  // As the first check does.
  for (const folder of FOLDERS) {
    const b = join(guest, folder, '.git/banger');
    assert.equal(spawnSync('mv', [`${b}/incoming/.git`, `${b}/meta`]).status, 0);
  }
  return { root, guest };
}

/** The files of the working trees, those of submodules included. */
function filesOf(guest: string): [string, string][] {
  return [...treeOf(guest)].filter(([name]) => !/(^|\/)\.git\//.test(name));
}

function copyOf(name: string): string {
  const copy = `${guest}-${name}`;
  assert.equal(spawnSync('cp', ['-a', guest, copy]).status, 0);
  return copy;
}

test('a guest that is killed while it changes a repository and its submodules has all old trees or, after the next look, all new ones', async () => {
  const { path, count } = killers(scratch);
  const old = filesOf(guest);
  const whole = copyOf('whole');
  const applied = inGuest(scratch, applyAllCommand(whole), { input: stepLines(STEPS) });
  assert.equal(applied.status, 0, applied.stderr);
  for (const folder of [...FOLDERS, 'unused']) {
    assertSameToGit(scratch, join(root, folder), join(whole, folder));
  }
  const wanted = filesOf(whole);
  const outcomes = new Set<string>();
  for (let steps = 1, isKilled = true; isKilled; steps += 7) {
    const killed = copyOf(String(steps));
    writeFileSync(count, `${steps}\n`);
    const env = { PATH: `${path}:${scratch.env['PATH']}` };
    isKilled = inGuest(scratch, applyAllCommand(killed), { env, input: stepLines(STEPS) }).status !== 0;
    // The next copy, and the next command, begin with this.
    const looked = inGuest(scratch, stateCommand(killed));
    assert.equal(looked.status, 0, looked.stderr);
    const found = filesOf(killed);
    const isOld = found.some(([name, content]) => name === 'top' && content.endsWith('top\n'));
    outcomes.add(isOld ? 'old' : isKilled ? 'finished' : 'new');
    assert.deepEqual(found, isOld ? old : wanted, `killed at step ${steps}`);
    assert.deepEqual(existsSync(join(killed, '.git/banger/all')), false);
    for (const left of ['added', 'meta', 'incoming', 'running', 'running-all']) {
      assert.equal(existsSync(join(killed, '.git/banger', left)), false, left);
    }
    rmSync(killed, { recursive: true });
    assert.ok(steps < 300, 'it ends at some time');
  }
  assert.deepEqual([...outcomes].sort(), ['finished', 'new', 'old']);
});

test('nothing is changed when the guest changes a submodule, or makes files in a new one, after the first look', async () => {
  for (const path of ['lib/nested/deep', 'unused/own']) {
    const changed = copyOf(path.replaceAll('/', '-'));
    put(changed, path, 'of the guest\n');
    const before = filesOf(changed);
    const ran = inGuest(scratch, applyAllCommand(changed), { input: stepLines(STEPS) });
    assert.equal(ran.status, GUEST_DIFFERS, ran.stderr);
    assert.deepEqual(filesOf(changed), before);
  }
});

test('files that the guest makes in the place of a new submodule at the last moment stay', async () => {
  const late = copyOf('late');
  writeFileSync(join(late, '.git/banger/all'), stepLines(STEPS));
  put(late, 'unused/own', 'of the guest\n');
  assert.equal(inGuest(scratch, stateCommand(late)).status, 0);
  const files = new Map(filesOf(late));
  assert.match(files.get('unused/own') ?? '', /of the guest/);
  assert.match(files.get('unused/deep') ?? '', /deep/);
});

test('the next look waits for a change that still runs, whose host is gone', async () => {
  const slowed = copyOf('slowed');
  const slow = join(scratch.dir, 'slow');
  mkdirSync(slow);
  const real = spawnSync('sh', ['-c', 'command -v cp']).stdout.toString().trim();
  writeFileSync(join(slow, 'cp'), `#!/bin/sh\nsleep 0.3\nexec ${real} "$@"\n`, { mode: 0o755 });
  const [program, ...args] = applyAllCommand(slowed);
  const env = { ...scratch.env, PATH: `${slow}:${scratch.env['PATH']}` };
  const changing = spawn(program, args, { env, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(changing, 'close');
  changing.stdin.end(stepLines(STEPS));
  await until(() => existsSync(join(slowed, '.git/banger/all')), { what: 'the change to begin' });
  const looked = inGuest(scratch, stateCommand(slowed));
  assert.equal(looked.status, 0, looked.stderr);
  assert.deepEqual(await ended, [0, null]);
  for (const folder of [...FOLDERS, 'unused']) {
    assertSameToGit(scratch, join(root, folder), join(slowed, folder));
  }
});
