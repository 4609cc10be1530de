import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { test } from 'node:test';
import { neverAborts, poll, sleep } from '../../src/base/abort.ts';
import { openLab, SMALL } from './support/lab.ts';

const signal = neverAborts();

test('a VM outlives a killed daemon: the next command adopts it, with the same boot and the same files', async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  const bootId = ['vm', 'exec', 'box', '--', 'cat', '/proc/sys/kernel/random/boot_id'];
  const before = await lab.text(bootId);
  await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo kept > /root/file']);
  const daemon = await lab.daemonPid();
  const held = lab.start(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo begun; sleep 300']);
  await poll(() => (held.stdout().includes('begun') ? true : undefined), {
    everyMs: 50,
    deadlineMs: 30_000,
    what: 'the command to begin',
    signal,
  });
  kill(daemon, 'SIGKILL');
  const cut = await held.done;
  assert.equal(cut.code, 125, cut.stderr);
  assert.equal(await lab.text(bootId), before);
  assert.notEqual(await lab.daemonPid(), daemon);
  assert.equal(await lab.text(['vm', 'exec', 'box', '--', 'cat', '/root/file']), 'kept\n');
  const left = await lab.text([
    'vm',
    'exec',
    'box',
    '--',
    'sh',
    '-c',
    'sleep 3; pgrep -f "[s]leep 300" || echo none',
  ]);
  assert.equal(left, 'none\n');
});

test('a killed vm run --rm leaves nothing, at whatever moment', async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'list']);
  // Spread over a whole run on a quiet machine, and drawn anew each time.
  const moments = Array.from({ length: 10 }, (_, index) => (index + Math.random()) * 1_200);
  for (const ms of moments) {
    const command = lab.start(['vm', 'run', '--rm', ...SMALL, '--', 'sleep', '60']);
    await sleep(ms, { signal });
    command.kill('SIGKILL');
    await command.done;
    await lab.nothingLeft();
  }
});

test('Ctrl-C while a VM is made leaves nothing and gives 130', async () => {
  await using lab = await openLab();
  const command = lab.start(['vm', 'run', ...SMALL, '--', 'true']);
  await poll(() => (command.stderr().includes('spec:') ? true : undefined), {
    everyMs: 20,
    deadlineMs: 30_000,
    what: 'the creation to begin',
    signal,
  });
  command.kill('SIGINT');
  const ran = await command.done;
  assert.equal(ran.code, 130, ran.stderr);
  await lab.nothingLeft();
});

test('a daemon killed while it makes a VM leaves nothing after the next command', async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'list']);
  for (const ms of [100, 700, 3_000]) {
    const daemon = await lab.daemonPid();
    // A command that comes just after the kill starts a daemon of its own and is well; then it deletes its VM itself.
    const command = lab.start(['vm', 'run', '--rm', ...SMALL, '--', 'true']);
    await sleep(ms, { signal });
    kill(daemon, 'SIGKILL');
    await command.done;
    await lab.nothingLeft();
  }
});
