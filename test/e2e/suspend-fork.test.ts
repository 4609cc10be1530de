import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sparseDigest } from '../../src/adapters/saved/digest.ts';
import { SqliteVmRecords } from '../../src/adapters/store/sqlite-vm-records.ts';
import { neverAborts } from '../../src/base/abort.ts';
import type { SavedBy, SavedGuestPart } from '../../src/core/ports/saved-by.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

/** Waits until the process that counts has counted; fails when it does not. */
const NEXT_TICK =
  'n=$(wc -l < /dev/shm/ticks); timeout 120 sh -c "until [ \\$(wc -l < /dev/shm/ticks) -gt $n ]; do sleep 0.1; done" || exit 3';

let lab: Lab;

before(async () => {
  lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'src', ...SMALL]);
  // A file in memory, one on the disk, and a process that counts; its shell ends, but it continues.
  await inVm('src', [
    'echo in-memory > /dev/shm/m',
    'echo on-disk > /root/f',
    '(while :; do echo x >> /dev/shm/ticks; sleep 0.05; done) > /dev/null 2>&1 < /dev/null &',
  ]);
});

after(() => lab[Symbol.asyncDispose]());

test('forks have the memory, files and processes of the source, and their own identity', async () => {
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
    const before = Date.now() / 1000;
    const clock = Number(await inVm(name, [NEXT_TICK, 'date +%s']));
    assert.ok(clock > before - 30 && clock < Date.now() / 1000 + 30, `the clock of ${name}`);
  }
  await inVm('src-1', ['echo mine > /root/f; echo mine > /dev/shm/m; sync']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  assert.equal(await inVm('src-2', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  assert.equal(
    await inVm('src', ['cat /proc/sys/kernel/random/boot_id']),
    bootId,
    'the source was not rebooted',
  );
  await lab.text(['vm', 'delete', 'src-1', 'src-2']);
});

test('a suspended VM has no process, and resumes with its memory', async () => {
  const before = Number(await inVm('src', ['wc -l < /dev/shm/ticks']));
  await lab.text(['vm', 'suspend', 'src']);
  const processes = async (): Promise<string[]> =>
    (await lab.leftovers()).filter((one) => one.startsWith('process'));
  // The program that keeps the logs of a VMM ends a moment after it.
  await until(async () => (await processes()).length === 0, { what: 'all processes to end', everyMs: 100 });
  const refused = await lab.run(['vm', 'exec', 'src', '--', 'true']);
  assert.match(refused.stderr, /not running \(state: suspended\)/);
  await lab.text(['vm', 'resume', 'src']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  const resumedAt = Date.now() / 1000;
  assert.ok(Number(await inVm('src', [NEXT_TICK, 'wc -l < /dev/shm/ticks'])) > before);
  const clock = Number(await inVm('src', ['date +%s']));
  assert.ok(clock > resumedAt - 30 && clock < Date.now() / 1000 + 30, `the clock says ${clock}`);
});

test('a snapshot restores memory, files and processes of one moment', async () => {
  await lab.text(['vm', 'snapshot', 'create', 'src', 'then']);
  await inVm('src', ['echo changed > /root/f; echo changed > /dev/shm/m; rm -rf /etc/hostname; sync']);
  await lab.text(['vm', 'snapshot', 'restore', 'src', 'then']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m; hostname']), 'on-disk\nin-memory\nsrc\n');
  // Its process continues.
  await inVm('src', [NEXT_TICK]);
});

test('a VM keeps running unchanged when its snapshot cannot be restored', async () => {
  await inVm('src', ['echo now > /dev/shm/m; echo now > /root/f']);
  const { runtime, id } = await shown();
  const dir = join(lab.paths.vmsDir, id, 'snapshots', 'then');
  const [manifest, state] = [join(dir, 'manifest.json'), join(dir, 'state')];
  const [whole, saved] = [await readFile(manifest, 'utf8'), await readFile(state)];
  const changed = JSON.parse(whole) as { facts: { savedBy: SavedBy }; state: { digest: string } };
  // A state that QEMU itself refuses, and whose digest is right.
  await writeFile(state, Buffer.concat([Buffer.from('what?'), saved.subarray(5)]));
  changed.state.digest = await sparseDigest(state, { signal: neverAborts() });
  await writeFile(manifest, JSON.stringify(changed));
  const refused = await lab.run(['vm', 'snapshot', 'restore', 'src', 'then']);
  assert.deepEqual([refused.code, /Cannot restore vm/.test(refused.stderr)], [1, true], refused.stderr);
  assert.deepEqual((await shown()).runtime, runtime);
  await writeFile(state, saved);
  const { kind } = (JSON.parse(whole) as typeof changed).facts.savedBy;
  assert.ok(kind);
  assert.match(kind.parts.vmm.name, /^QEMU [0-9]/);
  const vmm = { name: 'QEMU 0.1', token: '0.1' };
  const other = JSON.parse(whole) as typeof changed;
  other.facts.savedBy.kind = { key: 'another', parts: { ...kind.parts, vmm } };
  await writeFile(manifest, JSON.stringify(other));
  const unfit = await lab.run(['vm', 'snapshot', 'restore', 'src', 'then']);
  assert.match(unfit.stderr, /saved with the VMM QEMU 0\.1, and this host has QEMU [0-9]/);
  assert.deepEqual((await shown()).runtime, runtime);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'now\nnow\n');
  await lab.text(['vm', 'snapshot', 'restore', '--cold', 'src', 'then']);
  assert.equal(await inVm('src', ['cat /root/f; test -e /dev/shm/m || echo booted']), 'on-disk\nbooted\n');
  await writeFile(manifest, whole);
  await lab.text(['vm', 'snapshot', 'restore', 'src', 'then']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
});

test('a VM that was restored to a snapshot can be saved, copied and restored again', async () => {
  await lab.text(['vm', 'suspend', 'src']);
  await lab.text(['vm', 'resume', 'src']);
  await lab.text(['vm', 'snapshot', 'restore', 'src', 'then']);
  await lab.text(['vm', 'fork', 'src', '--name', 'copy']);
  assert.equal(await inVm('copy', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  await lab.text(['vm', 'delete', 'copy']);
  await lab.text(['daemon', 'stop']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
  await lab.text(['vm', 'snapshot', 'delete', 'src', 'then']);
});

test('a suspended VM of another host keeps its memory until it is started cold', async () => {
  await lab.text(['vm', 'suspend', 'src']);
  await lab.text(['daemon', 'stop']);
  const saved = changeSavedBy({ name: 'QEMU 0.1', token: '0.1' });
  const refused = await lab.run(['vm', 'start', 'src']);
  assert.match(refused.stderr, /saved with the VMM QEMU 0\.1[\s\S]*banger vm start --cold src/);
  await lab.text(['daemon', 'stop']);
  changeSavedBy(saved);
  await lab.text(['vm', 'start', 'src']);
  assert.equal(await inVm('src', ['cat /root/f /dev/shm/m']), 'on-disk\nin-memory\n');
});

test('a command runs in each fork, with the name of the fork in front of each line; the exit status is the first failure', async () => {
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

test('the file system of a VM that was forked, suspended and resumed is intact at the next boot', async () => {
  await lab.text(['vm', 'restart', 'src']);
  assert.equal(await inVm('src', ['cat /root/f; test -e /dev/shm/m || echo booted']), 'on-disk\nbooted\n');
  const errors = await inVm('src', ['dmesg | grep -i "EXT4-fs.*error\\|recovery.*fail" || true']);
  assert.equal(errors, '');
});

async function shown(): Promise<Vm> {
  return JSON.parse(await lab.text(['vm', 'show', 'src', '--json'])) as Vm;
}

/** Changes the record as if another VMM had suspended the VM; no daemon runs. Returns the former value. */
function changeSavedBy(vmm: SavedGuestPart): SavedGuestPart {
  using records = new SqliteVmRecords(lab.paths.recordsFile);
  const record = records.list().find(({ name }) => name === 'src');
  const kind = record?.savedBy?.kind;
  assert.ok(record?.savedBy && kind);
  const changed = { key: 'another', parts: { ...kind.parts, vmm } };
  records.update({ ...record, savedBy: { ...record.savedBy, kind: changed } });
  return kind.parts.vmm;
}

function inVm(name: string, lines: readonly string[]): Promise<string> {
  return lab.text(['vm', 'exec', name, '--', 'sh', '-c', lines.join('\n')]);
}
