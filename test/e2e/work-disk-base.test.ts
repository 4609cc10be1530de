import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { VmRecord } from '../../src/core/ports/records.ts';
import { withAgent } from '../../src/core/vms/guest/with-agent.ts';
import { createVm } from '../../src/core/vms/lifecycle/create-vm.ts';
import { deleteVm } from '../../src/core/vms/lifecycle/delete-vm.ts';
import { setVm } from '../../src/core/vms/lifecycle/set-vm.ts';
import { startVm } from '../../src/core/vms/lifecycle/start-vm.ts';
import { stopVm } from '../../src/core/vms/lifecycle/stop-vm.ts';
import { forkVm } from '../../src/core/vms/saved/fork-vm.ts';
import { restoreSnapshot } from '../../src/core/vms/saved/restore-snapshot.ts';
import { createSnapshot } from '../../src/core/vms/saved/snapshot-vm.ts';
import { suspendVm } from '../../src/core/vms/saved/suspend-vm.ts';
import type { VmWorld } from '../../src/core/vms/world.ts';
import { until } from '../support/until.ts';
import { type CoreLab, openCoreLab } from './support/core-lab.ts';

const signal = neverAborts();
const task = { signal, report: () => {} };
const MIB = 2 ** 20;
const SHAPE = { memoryMib: 512, diskSizeBytes: 1024 * MIB, systemOverlaySizeBytes: 1024 * MIB };

/** Bytes of the large file in the bases. */
const LARGE_BYTES = 40 * MIB;

describe('a work disk over a base image', { timeout: 15 * 60_000 }, () => {
  let lab: CoreLab;
  let world: VmWorld;
  let scratch: string;

  before(async () => {
    lab = await openCoreLab({ hasPool: true });
    ({ world } = lab);
    scratch = await mkdtemp(join(tmpdir(), 'base-'));
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(scratch, { recursive: true, force: true });
  });

  /** An ext4 whose files say which base it is. */
  async function makeBase(name: string, sizeBytes: number = SHAPE.diskSizeBytes): Promise<string> {
    const [tree, file] = [join(scratch, `${name}.d`), join(scratch, `${name}.ext4`)];
    await mkdir(join(tree, 'repo'), { recursive: true, mode: 0o700 });
    await writeFile(join(tree, 'repo', 'which'), `${name}\n`);
    await writeFile(join(tree, 'repo', 'large'), Buffer.alloc(LARGE_BYTES, name));
    await writeFile(join(tree, '.profile'), 'export FROM_BASE=yes\n');
    await writeFile(file, '', { mode: 0o600 });
    await truncate(file, sizeBytes);
    const extended = 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=1';
    const argv = [
      '/sbin/mkfs.ext4',
      '-q',
      '-F',
      '-L',
      'work',
      '-m',
      '0',
      '-E',
      extended,
      '-d',
      tree,
      file,
    ] as const;
    await exec(argv, { signal });
    await chmod(file, 0o400);
    return file;
  }

  async function inGuest({ id }: VmRecord, script: string): Promise<string> {
    const work = async (agent: Parameters<Parameters<typeof withAgent>[2]['work']>[0]): Promise<string> => {
      const { stdout, stderr, exit } = await agent.run({ argv: ['/bin/sh', '-c', script] }, { signal });
      assert.deepEqual(exit, { code: 0 }, stderr.toString());
      return stdout.toString();
    };
    return await withAgent(world, id, { signal, work });
  }

  const create = (name: string, file: string | undefined, how: { cold?: boolean } = {}): Promise<VmRecord> =>
    createVm(world, { name, ...SHAPE, ...how }, { ...task, ...(file ? { workDiskBase: { file } } : {}) });

  const delete_ = async (...names: string[]): Promise<void> => {
    for (const name of names) await deleteVm(world, name);
  };

  async function check(vm: VmRecord, which: string): Promise<void> {
    assert.equal(await inGuest(vm, 'cat /root/repo/which'), `${which}\n`);
    assert.equal(await inGuest(vm, 'stat -c %s /root/repo/large'), `${LARGE_BYTES}\n`);
    assert.equal(await inGuest(vm, 'dmesg | grep -ci "ext4.*error" || true'), '0\n');
  }

  /** Bytes that the work disk of a VM takes besides its base. */
  async function ownBytes(vm: VmRecord): Promise<number> {
    const work = vm.drives?.find(({ serial }) => serial === 'work');
    return (await stat(work?.pathOnHost ?? assert.fail('it has no work disk'))).blocks * 512;
  }

  async function pool(): Promise<string> {
    await until(() => world.pool?.vmIds[0] !== undefined, { what: 'a pool VM', everyMs: 50 });
    return world.pool?.vmIds[0] ?? assert.fail();
  }

  test('has the content of its own base: booted, from a template, and in a pool VM', async () => {
    const [one, two] = [await makeBase('one'), await makeBase('two')];
    const cold = await create('cold', one, { cold: true });
    await check(cold, 'one');
    const warm = await create('warm', two);
    await check(warm, 'two');
    const waiting = await pool();
    const claimed = await create('claimed', one);
    assert.equal(claimed.id, waiting);
    await check(claimed, 'one');
    for (const vm of [cold, warm, claimed]) {
      assert.ok((await ownBytes(vm)) < 8 * MIB, `${vm.name} takes ${await ownBytes(vm)} bytes`);
      assert.match(await inGuest(vm, 'cat /root/.profile'), /FROM_BASE/);
    }
    const blank = await create('blank', undefined);
    assert.equal(
      await inGuest(blank, 'test ! -e /root/repo; grep -c "" /etc/passwd >/dev/null; echo ok'),
      'ok\n',
    );
    await inGuest(claimed, 'echo changed > /root/repo/which; sync');
    await check(cold, 'one');
    await delete_('cold', 'warm', 'claimed', 'blank');
    for (const base of [one, two]) await exec(['/sbin/e2fsck', '-fn', base], { signal });
  });

  test('is suspended, forked, restored, restarted, grown and adopted like any other', async () => {
    const base = await makeBase('three');
    const first = await create('first', base);
    await rm(base);
    await inGuest(first, 'echo mine > /root/mine; sync');
    await suspendVm(world, 'first', task);
    await check(await startVm(world, 'first', { ...task, isCold: false }), 'three');
    const { records } = await forkVm(world, 'first', { ...task, request: { names: ['second'] } });
    const second = records[0] ?? assert.fail();
    await check(second, 'three');
    assert.ok((await ownBytes(second)) < 16 * MIB, 'a fork shares the base');
    await createSnapshot(world, 'first', { ...task, tag: 'tag' });
    await inGuest(first, 'rm -r /root/repo /root/mine; sync');
    await restoreSnapshot(world, 'first', { ...task, tag: 'tag' });
    await check(first, 'three');
    assert.equal(await inGuest(first, 'cat /root/mine'), 'mine\n');
    await delete_('first');
    await stopVm(world, 'second', task);
    await setVm(world, 'second', { request: { diskSizeBytes: 2 * SHAPE.diskSizeBytes }, ...task });
    const grown = await startVm(world, 'second', { ...task, isCold: false });
    await check(grown, 'three');
    assert.ok(Number(await inGuest(grown, 'stat -f -c "%b" /root')) * 4096 > 1.8 * SHAPE.diskSizeBytes);
    await lab.restart();
    ({ world } = lab);
    await check(grown, 'three');
    await delete_('second');
  });

  test('may begin smaller than the disk: the guest grows its file system', async () => {
    const small = await makeBase('small', 128 * MIB);
    for (const how of [{ cold: true }, {}]) {
      const vm = await create('grows', small, how);
      await check(vm, 'small');
      assert.ok(Number(await inGuest(vm, 'stat -f -c "%b" /root')) * 4096 > 900 * MIB);
      await delete_('grows');
    }
    await assert.rejects(create('never', await makeBase('huge', 2048 * MIB)), { code: 'VMM_DRIVE_INVALID' });
  });

  test('gives space back when files are deleted', async () => {
    const vm = await create('trims', await makeBase('four'));
    await inGuest(vm, 'head -c 150000000 /dev/urandom > /root/junk; sync');
    assert.ok((await ownBytes(vm)) > 140 * MIB);
    await inGuest(vm, 'rm /root/junk; sync; fstrim /root');
    await until(async () => (await ownBytes(vm)) < 32 * MIB, { what: 'the space to come back' });
    await check(vm, 'four');
    await delete_('trims');
  });
});
