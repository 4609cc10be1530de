import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Lab, openLab, SMALL } from './support/lab.ts';

let lab: Lab;

before(async () => {
  lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'src', ...SMALL]);
  // In memory, on disk, and a process that counts; its shell ends, it goes on.
  await inVm('src', [
    'echo in-memory > /dev/shm/m',
    'echo on-disk > /root/f',
    '(while :; do echo x >> /dev/shm/ticks; sleep 0.05; done) > /dev/null 2>&1 < /dev/null &',
  ]);
});

after(() => lab[Symbol.asyncDispose]());

test('forks have memory, files and processes of the source, and an identity of their own', async () => {
  const facts =
    'cat /dev/shm/m /root/f /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; hostname; cat /proc/sys/kernel/random/uuid';
  const source = (await inVm('src', [facts])).split('\n');
  const bootId = await inVm('src', ['cat /proc/sys/kernel/random/boot_id']);
  await lab.text(['vm', 'fork', 'src', '-n', '2']);
  const forks = await Promise.all(
    ['src-1', 'src-2'].map(async (name) => (await inVm(name, [facts])).split('\n')),
  );
  const all = [source, ...forks];
  for (const lines of all) assert.deepEqual(lines.slice(0, 2), ['in-memory', 'on-disk']);
  for (const line of [2, 3, 4, 5])
    assert.equal(new Set(all.map((lines) => lines[line])).size, 3, `line ${line}`);
  assert.deepEqual(
    forks.map((lines) => lines[4]),
    ['src-1', 'src-2'],
  );

  for (const name of ['src', 'src-1', 'src-2']) {
    const [first, second, ...times] = (
      await inVm(name, ['wc -l < /dev/shm/ticks; sleep 1; wc -l < /dev/shm/ticks; date +%s'])
    )
      .trim()
      .split('\n');
    assert.ok(Number(second) > Number(first), `the process of ${name} goes on`);
    assert.ok(Math.abs(Number(times[0]) - Date.now() / 1000) < 30, `the clock of ${name}`);
  }
  await inVm('src-1', ['echo mine > /root/f; echo mine > /dev/shm/m; sync']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  assert.equal(await inVm('src-2', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  assert.equal(
    await inVm('src', ['cat /proc/sys/kernel/random/boot_id']),
    bootId,
    'the source was not booted anew',
  );
  await lab.text(['vm', 'delete', 'src-1', 'src-2']);
});

test('a suspended VM has no process, and goes on with what it had', async () => {
  const before = Number(await inVm('src', ['wc -l < /dev/shm/ticks']));
  await lab.text(['vm', 'suspend', 'src']);
  assert.deepEqual(await lab.leftovers().then((left) => left.filter((one) => one.startsWith('process'))), []);
  const refused = await lab.run(['vm', 'exec', 'src', '--', 'true']);
  assert.match(refused.stderr, /not running \(state: suspended\)/);
  await lab.text(['vm', 'resume', 'src']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  assert.ok(Number(await inVm('src', ['sleep 1; wc -l < /dev/shm/ticks'])) > before);
  assert.ok(Math.abs(Number(await inVm('src', ['date +%s'])) - Date.now() / 1000) < 30);
});

test('a snapshot puts memory, files and processes back to one moment', async () => {
  await lab.text(['vm', 'snapshot', 'create', 'src', 'then']);
  await inVm('src', ['echo changed > /root/f; echo changed > /dev/shm/m; rm -rf /etc/hostname; sync']);
  await lab.text(['vm', 'snapshot', 'restore', 'src', 'then']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m; hostname']), 'on-disk\nin-memory\nsrc\n');
  const [first, second] = (
    await inVm('src', ['wc -l < /dev/shm/ticks; sleep 1; wc -l < /dev/shm/ticks'])
  ).split('\n');
  assert.ok(Number(second) > Number(first), 'its process goes on');
  await lab.text(['vm', 'snapshot', 'delete', 'src', 'then']);
});

test('a command in each fork, with its name in front of each line; the first failure is the exit status', async () => {
  const ran = await lab.run([
    'vm',
    'fork',
    'src',
    '-n',
    '2',
    '--rm',
    '--',
    'sh',
    '-c',
    'hostname; cat /dev/shm/m; test $(hostname) = src-1',
  ]);
  assert.deepEqual(ran.stdout.toString().trim().split('\n').sort(), [
    'src-1 | in-memory',
    'src-1 | src-1',
    'src-2 | in-memory',
    'src-2 | src-2',
  ]);
  assert.equal(ran.code, 1);
  const names = JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as { name: string }[];
  assert.deepEqual(
    names.map(({ name }) => name),
    ['src'],
  );
});

test('the file system of a VM that was forked, suspended and resumed is whole when it boots again', async () => {
  await lab.text(['vm', 'restart', 'src']);
  assert.equal(await inVm('src', ['cat /root/f; test -e /dev/shm/m || echo booted']), 'on-disk\nbooted\n');
  const errors = await inVm('src', ['dmesg | grep -i "EXT4-fs.*error\\|recovery.*fail" || true']);
  assert.equal(errors, '');
});

function inVm(name: string, lines: readonly string[]): Promise<string> {
  return lab.text(['vm', 'exec', name, '--', 'sh', '-c', lines.join('\n')]);
}
