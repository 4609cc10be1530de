import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { DoctorCheck } from '../../src/protocol/api/daemon.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab } from './support/lab.ts';

/** The shape of the other tests' VMs, whose template may already exist. */
const SMALL_BY_DEFAULT = '[vm_defaults]\nmemory_mib = 512\ndisk_size = "1G"\nsystem_overlay_size = "1G"\n';

/** `ms` after which the daemon wants one pool VM again, if nothing starts. */
const FORGOTTEN_MS = 30_000;

/** How often three VMs start at once until there are three pool VMs. */
const MOST_ROUNDS = 4;

/**
 * The identities of a guest, one per line; then the seconds of its clock, and what a user could see of its
 * creation. Services of the guest come and go, and with them their folders in /var/tmp.
 */
const IDENTITY = `
cat /etc/machine-id /proc/sys/kernel/random/uuid /etc/ssh/ssh_host_ed25519_key.pub
date +%s
ls -A /var/tmp /root | grep -v ^systemd-private-`;

suite('a pool VM', { timeout: 6 * 60_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab({ hasStandby: true });
    await mkdir(dirname(lab.paths.configFile), { recursive: true });
    await writeFile(lab.paths.configFile, SMALL_BY_DEFAULT);
    await lab.text(['vm', 'create', '--name', 'first']);
  });
  after(() => lab[Symbol.asyncDispose]());

  const identityOf = async (name: string): Promise<string[]> =>
    (await lab.text(['vm', 'exec', name, '--', 'sh', '-c', IDENTITY])).split('\n');
  const idOf = async (name: string): Promise<string> =>
    (JSON.parse(await lab.text(['vm', 'show', name])) as { id: string }).id;

  test('becomes the next VM, and shares nothing with others except the content of the image', async () => {
    const waiting = await lab.standby();
    await lab.text(['vm', 'create', '--name', 'second', '--nat']);
    assert.equal(await idOf('second'), waiting);
    assert.equal(await lab.text(['vm', 'exec', 'second', '--', 'hostname']), 'second\n');
    const first = await identityOf('first');
    const before = Date.now();
    const second = await identityOf('second');
    for (const index of [0, 1, 2]) assert.notEqual(first[index], second[index]);
    const clock = Number(second[3]) * 1000;
    assert.ok(clock > before - 5_000 && clock < Date.now() + 5_000, `the guest's clock says ${second[3]}`);
    assert.deepEqual(second.slice(4), first.slice(4));
    assert.match(await lab.text(['vm', 'exec', 'second', '--', 'ip', '-o', 'addr']), /inet 10\.0\.2\.15\/24/);
    await lab.text(['vm', 'restart', 'second']);
    assert.equal(await lab.text(['vm', 'exec', 'second', '--', 'hostname']), 'second\n');
  });

  test('belongs to its user, and can be suspended and forked like any other', async () => {
    const waiting = await lab.standby();
    await lab.text(['vm', 'create', '--name', 'third', '--user', 'dev']);
    assert.equal(await idOf('third'), waiting);
    await lab.text(['vm', 'exec', 'third', '--', 'sh', '-c', 'echo "kept by $(id -un)" > /home/dev/file']);
    await lab.text(['vm', 'suspend', 'third']);
    await lab.text(['vm', 'resume', 'third']);
    const script = 'cat /home/dev/file; id -un';
    const forked = await lab.text(['vm', 'fork', 'third', '--rm', '--', 'sh', '-c', script]);
    assert.match(forked, /kept by dev\n.*\bdev\n/);
    await lab.text(['vm', 'delete', 'third']);
  });

  test('is proven to differ from VMs of the same template', async () => {
    await lab.standby();
    const { code, stdout, stderr } = await lab.run(['doctor', '--prove', '--json']);
    const { checks } = JSON.parse(stdout.toString()) as { checks: DoctorCheck[] };
    assert.equal(code, 0, stdout.toString() + stderr);
    assert.ok(checks.some(({ name, status }) => name === 'ssh host keys' && status === 'pass'));
  });

  test('is one of three when three VMs started at once, and the next three claim them', async () => {
    const names = (prefix: string): string[] => [1, 2, 3].map((number) => `${prefix}-${number}`);
    const startAtOnce = async (prefix: string): Promise<string[]> => {
      await Promise.all(names(prefix).map((name) => lab.text(['vm', 'create', '--name', name])));
      return await Promise.all(names(prefix).map(idOf));
    };
    // The pool forgets starts after half a minute; a busy host may need longer to make all three.
    let waiting: string[] = [];
    for (let round = 1; waiting.length < 3; round += 1) {
      assert.ok(round <= MOST_ROUNDS, `there are ${waiting.length} pool VMs`);
      await startAtOnce('one');
      await lab.text(['vm', 'delete', ...names('one')]);
      const look = async (): Promise<boolean> => {
        waiting = await lab.poolVmIds();
        return waiting.length === 3;
      };
      await until(look, { what: 'three pool VMs', deadlineMs: FORGOTTEN_MS }).catch(() => {});
    }
    assert.match(await lab.text(['daemon', 'status']), /pool vms +3 of at most 3: /);
    assert.deepEqual((await startAtOnce('two')).toSorted(), waiting.toSorted());
    assert.equal(await lab.text(['vm', 'exec', 'two-3', '--', 'hostname']), 'two-3\n');
    await lab.text(['vm', 'delete', ...names('two')]);
    // Demand ends by itself.
    await until(async () => (await lab.poolVmIds()).length === 1, { what: 'one pool VM', everyMs: 500 });
  });

  test('ends with its daemon, or with the next daemon if that was killed', async () => {
    await lab.text(['vm', 'delete', 'first', 'second']);
    const waiting = await lab.standby();
    await lab.killDaemon();
    assert.equal(await lab.text(['vm', 'list', '--all', '-q']), '');
    await lab.nothingLeft();
    await lab.text(['vm', 'run', '--rm', '--', 'true']);
    assert.notEqual(await lab.standby(), waiting);
    await lab.text(['daemon', 'stop']);
    await lab.nothingLeft();
  });
});
