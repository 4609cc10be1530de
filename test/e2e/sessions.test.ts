import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { spareRuntimeDirs } from '../../src/config/daemon-places.ts';
import { socketsIn } from '../../src/config/paths.ts';
import { removeTree } from '../helpers/remove-tree.ts';
import { soon } from '../support/soon.ts';
import { hasEnded, type Lab, openLab, SMALL } from './support/lab.ts';

const BANGER = join(import.meta.dirname, '../../bin/banger');

let lab: Lab;
/** folder for sockets when the state folder cannot hold them */
let spare: string;

before(async () => {
  lab = await openLab();
  spare = spareRuntimeDirs(lab.paths)[0] ?? '';
  await newSession();
  await lab.text(['vm', 'create', '--name', 'stays', ...SMALL]);
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  await removeTree(spare);
});

/** What is left of the session's folder after the end of the session and the start of the next. */
async function newSession(): Promise<void> {
  const dir = lab.env['XDG_RUNTIME_DIR'] ?? '';
  await removeTree(dir);
  await mkdir(dir, { mode: 0o700 });
}

/** The same program in another session of the same user. */
async function inSession(runtimeDir: string | undefined, ...args: string[]): Promise<string> {
  const env = { ...lab.env, XDG_RUNTIME_DIR: runtimeDir } as NodeJS.ProcessEnv;
  return (await promisify(execFile)(BANGER, args, { env })).stdout;
}

const bootId = (): Promise<string> =>
  lab.text(['vm', 'exec', 'stays', '--', 'cat', '/proc/sys/kernel/random/boot_id']);

test('the end of a session ends neither the daemon nor a VM', async () => {
  const [boot, pid] = [await bootId(), await lab.daemonPid()];
  await newSession();
  assert.match(await soon(10_000, lab.text(['vm', 'list'])), /stays +running/);
  assert.equal(await lab.daemonPid(), pid);
  assert.equal(await bootId(), boot);
});

test('every session of a user finds the same daemon', async () => {
  const pid = await lab.daemonPid();
  for (const runtimeDir of [undefined, join(lab.scratch, 'another'), lab.scratch]) {
    const status = JSON.parse(await inSession(runtimeDir, 'daemon', 'status', '--json')) as { pid: number };
    assert.equal(status.pid, pid, String(runtimeDir));
    assert.match(await inSession(runtimeDir, 'vm', 'list'), /stays +running/);
  }
});

test('a daemon that is killed while the session ends is followed by one that adopts the VM', async () => {
  const boot = await bootId();
  await lab.killDaemon();
  await newSession();
  assert.equal(
    await inSession(undefined, 'vm', 'exec', 'stays', '--', 'cat', '/proc/sys/kernel/random/boot_id'),
    boot,
  );
});

test('a daemon whose socket was deleted is found again, and status describes it', async () => {
  const pid = await lab.daemonPid();
  await rm(lab.paths.daemonSocket);
  assert.match(await lab.text(['vm', 'list']), /stays +running/);
  const status = await lab.text(['daemon', 'status']);
  assert.match(status, new RegExp(`^state +running\npid +${pid}\n`));
});

test('VMs can be saved, resumed and reached in a state folder with a long path', async () => {
  const long = await openLab({ env: { XDG_STATE_HOME: join(lab.scratch, 'x'.repeat(180), 's') } });
  try {
    assert.equal(await long.text(['vm', 'run', '--rm', ...SMALL, '--', 'echo', 'hi']), 'hi\n');
    await long.text(['vm', 'create', '--name', 'far', ...SMALL]);
    await long.text(['vm', 'suspend', 'far']);
    await long.text(['vm', 'resume', 'far']);
    await long.text(['daemon', 'stop']);
    assert.equal(await long.text(['vm', 'exec', 'far', '--', 'echo', 'there']), 'there\n');
  } finally {
    await long[Symbol.asyncDispose]();
  }
});

test('a VM with its sockets in another place is adopted, saved and deleted', async () => {
  // As in an older version, and when the state folder cannot hold sockets.
  await lab.text(['vm', 'suspend', 'stays']);
  await lab.text(['daemon', 'stop']);
  const { runtimeDir } = lab.paths;
  await rm(runtimeDir, { recursive: true });
  await writeFile(runtimeDir, 'no sockets here');
  await lab.text(['vm', 'resume', 'stays']);
  const boot = await bootId();
  assert.equal(await lab.text(['daemon', 'socket']), `${socketsIn(spare).daemonSocket}\n`);
  await lab.text(['daemon', 'stop']);
  await rm(runtimeDir);
  assert.equal(await bootId(), boot);
  assert.equal(await lab.text(['daemon', 'socket']), `${lab.paths.daemonSocket}\n`);
  await lab.text(['vm', 'suspend', 'stays']);
  await lab.text(['vm', 'resume', 'stays']);
  assert.equal(await bootId(), boot);
});

test('a VM without its sockets is ended after its guest has written its data, and starts again with the data', async () => {
  await lab.text(['vm', 'exec', 'stays', '--', 'sh', '-c', 'echo kept > /root/not-synced']);
  await lab.killDaemon();
  await removeTree(lab.paths.vmRuntimeDir);
  await poll(
    async () =>
      (await lab.run(['vm', 'show', 'stays', '--json'])).stdout.includes('"stopped"') ? true : undefined,
    {
      everyMs: 1_000,
      deadlineMs: 120_000,
      what: 'the VM to be ended',
      signal: neverAborts(),
    },
  );
  await lab.text(['vm', 'start', 'stays']);
  assert.equal(await lab.text(['vm', 'exec', 'stays', '--', 'cat', '/root/not-synced']), 'kept\n');
});

test('when the state folder is deleted, its daemon and VMs end, and a new daemon starts', async () => {
  const doomed = await openLab();
  try {
    await doomed.text(['vm', 'create', '--name', 'doomed', ...SMALL]);
    const pid = await doomed.daemonPid();
    await removeTree(dirname(doomed.paths.stateDir));
    assert.equal(await doomed.text(['vm', 'list', '--all', '--json']), '[]\n');
    await hasEnded(pid);
    assert.notEqual(await doomed.daemonPid(), pid);
    await doomed.nothingLeft();
  } finally {
    await doomed[Symbol.asyncDispose]();
  }
});
