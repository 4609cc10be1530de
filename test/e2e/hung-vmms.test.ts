import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familyOf, hostProcesses } from '../../scripts/test/processes.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { soon } from '../support/soon.ts';
import { until } from '../support/until.ts';
import { hasEnded, type Lab, openLab, SMALL } from './support/lab.ts';

/**
 * `ms` for a command that must not wait for a VMM that hangs, on a busy host with emulation; the CLI itself
 * waits 30 s for a daemon.
 */
const SOON_MS = 25_000;

const vmsOf = async (lab: Lab): Promise<Vm[]> =>
  JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as Vm[];

test('a daemon that finds three hanging VMMs answers, and adopts each when it continues', async () => {
  await using lab = await openLab();
  const names = ['one', 'two', 'three'];
  for (const name of names) await lab.text(['vm', 'create', '--name', name, ...SMALL]);
  const pids = (await vmsOf(lab)).map(({ runtime }) => runtime?.pid ?? 0);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await lab.killDaemon();
  const found = await soon(SOON_MS, vmsOf(lab));
  assert.deepEqual(
    found.map(({ name, state, runtime }) => [name, state, runtime?.pid]),
    names.map((name, at) => [name, 'running', pids[at]]),
  );
  const ports = await soon(SOON_MS, lab.run(['vm', 'ports', 'one']));
  assert.match(ports.stderr, /Cannot reach vm "one": its VMM does not answer/);
  for (const [at, pid] of pids.entries()) if (at !== 1) process.kill(pid, 'SIGCONT');
  assert.equal(await soon(SOON_MS, lab.text(['vm', 'exec', 'one', '--', 'echo', 'alive'])), 'alive\n');
  await soon(SOON_MS, lab.text(['vm', 'delete', 'two']));
  assert.equal(await soon(SOON_MS, lab.text(['vm', 'exec', 'three', '--', 'echo', 'alive'])), 'alive\n');
});

for (const [what, args, status] of [
  ['a fork', ['vm', 'fork', 'box'], 125],
  ['a snapshot', ['vm', 'snapshot', 'create', 'box'], 1],
] as const) {
  test(`vm kill and vm delete end ${what} that hangs, and leave nothing of it`, async () => {
    await using lab = await openLab();
    for (const verb of ['kill', 'delete']) {
      await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
      const copying = lab.start([...args]);
      // The process that writes the copy: the VMM waits for it, and so does the command.
      const receiver = await stopReceiver(lab);
      await soon(SOON_MS, lab.text(['vm', verb, 'box']));
      const copied = await soon(SOON_MS, copying.done);
      assert.equal(copied.code, status);
      assert.match(copied.stderr, /The operation was cancelled: vm "box" is (killed|deleted)/);
      await hasEnded(receiver);
      if (verb === 'delete') continue;
      assert.deepEqual(
        (await vmsOf(lab)).map(({ name, state }) => [name, state]),
        [['box', 'stopped']],
      );
      await lab.text(['vm', 'delete', 'box']);
    }
    await lab.nothingLeft();
  });
}

/** A program that the daemon runs. */
async function stopReceiver(lab: Lab): Promise<number> {
  const daemon = await lab.daemonPid();
  let pid = 0;
  const isThere = (): boolean => {
    const found = familyOf(daemon, hostProcesses()).find(({ argv }) =>
      argv.some((word) => /banger-receive|receive-main/.test(word)),
    );
    if (found) process.kill(found.pid, 'SIGSTOP');
    pid = found?.pid ?? 0;
    return found !== undefined;
  };
  await until(isThere, { what: 'the copy to begin', everyMs: 1 });
  return pid;
}
