import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAlive, readVmmProcess } from '../../../src/adapters/vmm/vmm-process.ts';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { invariant } from '../../../src/base/errors.ts';
import { spawnDetached } from '../../../src/base/process/exec.ts';
import { sshStanza } from '../../../src/config/ssh/stanza.ts';
import type { DoctorCheck } from '../../../src/protocol/api/daemon.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const GONE_ID = '0123456789ab';

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

async function checkOf(name: string): Promise<DoctorCheck> {
  const found = (await lab.client.doctor({ signal })).find((check) => check.name === name);
  assert.ok(found, `no check "${name}"`);
  return found;
}

test('every check has a unique name and a message', async () => {
  const checks = await lab.client.doctor({ signal });
  const names = checks.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const wanted of [
    ...[
      'vmm',
      'accelerator',
      'other platforms',
      'walls',
      'nat',
      'guest agent',
      'default image',
      'e2fsprogs',
      'workspace tools',
      'image tools',
      'namespaces',
    ],
    ...[
      'openssh',
      'ssh NAME.vm',
      'disk space',
      'file systems',
      'limits',
      'clock',
      'daemon socket',
      'login session',
      'services',
      'records',
      'vms',
    ],
    ...['leftovers', 'vm defaults'],
  ]) {
    assert.ok(names.includes(wanted), wanted);
  }
  for (const { name, message } of checks) assert.notEqual(message, '', name);
});

test('the versions of the programs in use are reported', async () => {
  assert.match((await checkOf('e2fsprogs')).message, /^[0-9]+\.[0-9]+/);
  assert.match((await checkOf('workspace tools')).message, /^git [0-9.]+, tar [0-9.]+$/);
});

test('ssh by name is optional, and a half of it that does not work is a warning', async () => {
  const { paths } = lab.settings;
  const userConfig = join(lab.dir, '.ssh', 'config');
  const check = (): Promise<DoctorCheck> => checkOf('ssh NAME.vm');
  assert.deepEqual([(await check()).status, (await check()).fix], ['pass', undefined]);
  assert.match((await check()).message, /^not set up; to use it: banger ssh-config --install$/);
  const files = { identityFile: '/k', knownHostsFile: '/h', loginUsersFile: '/users', places: {} };
  await mkdir(dirname(paths.sshConfigFile), { recursive: true });
  await writeFile(paths.sshConfigFile, sshStanza({ ...files, programArgv: ['/gone/banger'] }));
  const gone = await check();
  assert.deepEqual([gone.status, gone.fix], ['warn', 'banger ssh-config --install']);
  assert.match(gone.message, /a program that does not exist: \/gone\/banger/);
  await writeFile(paths.sshConfigFile, sshStanza({ ...files, programArgv: [process.execPath] }));
  assert.match((await check()).message, /does not include .* for all hosts/);
  await mkdir(dirname(userConfig));
  await writeFile(userConfig, `Host a\nInclude ${paths.sshConfigFile}\n`);
  assert.equal((await check()).status, 'warn');
  await writeFile(userConfig, `Include ${paths.sshConfigFile}\nHost a\n`);
  assert.equal((await check()).status, 'pass');
});

test('VMs are counted, and how much more space their disks may take', async () => {
  await resultOf(lab.client.createVm({ name: 'kept', noStart: true }, { signal }));
  const records = await checkOf('records');
  assert.match(records.message, /^1 VM, 0 of them running/);
  assert.match(records.details?.[0] ?? '', /^kept [0-9a-f]{12} created$/);
  assert.match((await checkOf('disk space')).details?.[0] ?? '', /^kept may grow by [0-9.]+[MG]$/);
  await resultOf(lab.client.deleteVm('kept', { signal }));
});

test('the remains of a crash are found, and removed only on request', async () => {
  const { vmsDir, vmRuntimeDir } = lab.settings.paths;
  const owned = await resultOf(lab.client.createVm({ name: 'owned' }, { signal }));
  assert.equal((await checkOf('leftovers')).status, 'pass');

  await mkdir(join(vmsDir, GONE_ID));
  await writeFile(join(vmsDir, GONE_ID, 'work.raw'), 'x');
  await mkdir(join(vmsDir, 'somebody-elses'));
  await mkdir(join(vmRuntimeDir, GONE_ID), { recursive: true });
  // An argument as on a VMM's command line, by which doctor finds the unknown process.
  const socket = join(vmRuntimeDir, GONE_ID, 'agent.sock');
  const stray = await spawnDetached(['sh', '-c', 'sleep 60; true', 'guest', '--socket', socket], {
    outputFd: 2,
  });
  const vmm = await readVmmProcess(stray.pid);
  invariant(vmm, 'it was just started');

  const found = await checkOf('leftovers');
  assert.equal(found.status, 'warn');
  assert.deepEqual(found.details, [`VMM of ${GONE_ID}`, join(vmsDir, GONE_ID)]);
  assert.equal(found.fix, 'banger doctor --fix');
  assert.ok(existsSync(join(vmsDir, GONE_ID)), 'a check changes nothing');

  const { fixed, checks } = await lab.client.fixHost({ signal });
  assert.deepEqual(fixed, found.details);
  assert.equal(checks.find(({ name }) => name === 'leftovers')?.status, 'pass');
  assert.equal(existsSync(join(vmsDir, GONE_ID)), false);
  assert.equal(existsSync(join(vmRuntimeDir, GONE_ID)), false);
  await poll(async () => ((await isAlive(vmm)) ? undefined : true), {
    everyMs: 5,
    deadlineMs: 55_000,
    what: 'the stray process to be gone',
    signal,
  });
  assert.ok(existsSync(join(vmsDir, 'somebody-elses')), 'anything that is not provably ours stays');
  assert.equal((await lab.client.showVm(owned.id, { signal })).state, 'running');
  assert.deepEqual((await lab.client.fixHost({ signal })).fixed, []);
  await resultOf(lab.client.deleteVm('owned', { signal }));
});

test('the copy of a working tree of a killed daemon is found and removed', async () => {
  const left = join(lab.settings.paths.workspaceTempDir, 'feedfacefeedface');
  await mkdir(left, { recursive: true });
  assert.deepEqual((await checkOf('leftovers')).details, [left]);
  assert.deepEqual((await lab.client.fixHost({ signal })).fixed, [left]);
  assert.equal(existsSync(left), false);
});
