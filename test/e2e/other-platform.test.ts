import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { MACHINES } from '../../src/adapters/vmm/qemu/machine/machines.ts';
import { findProgram } from '../../src/base/process/programs.ts';
import type { DoctorCheck } from '../../src/protocol/api/daemon.ts';
import type { Image } from '../../src/protocol/api/image.ts';
import type { Kernel } from '../../src/protocol/api/kernel.ts';
import type { Template } from '../../src/protocol/api/template.ts';
import { ARCHS, platformOf } from '../../src/protocol/image/platform.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { type Lab, openLab } from './support/lab.ts';
import { openRegistry, type TestRegistry } from './support/registry.ts';

const HOST_ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';
const ARCH = ARCHS.find((arch) => arch !== HOST_ARCH) ?? 'arm64';
const PLATFORM = platformOf(ARCH);
const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];
const PROGRAM = '/bin/program';
/** What the program prints on this machine. */
const WHERE = { amd64: 'amd64 x86_64\n', arm64: 'arm64 aarch64\n' }[ARCH];

suite(`guests of ${PLATFORM}`, { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let reference: string;
  let isEmulated: boolean;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'op-'));
    lab = await openLab();
    registry = await openRegistry();
    isEmulated = (await findProgram(MACHINES[ARCH].program, process.env)) !== undefined;
    reference = registry.put('test/program', {
      tag: '1',
      arch: ARCH,
      layers: [await programLayer()],
      config: { env: ['PATH=/bin'], cmd: [PROGRAM] },
    });
  });
  after(async () => {
    for (const { name } of await images()) {
      if (name.startsWith(registry.host)) await lab.run(['image', 'delete', '--force', name]);
    }
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const images = async (): Promise<Image[]> =>
    JSON.parse(await lab.text(['image', 'list', '--json'])) as Image[];

  const shown = async (name: string): Promise<Vm> => JSON.parse(await lab.text(['vm', 'show', name])) as Vm;

  const inVm = (name: string, ...args: readonly string[]): Promise<string> =>
    lab.text(['vm', 'exec', name, '--', PROGRAM, ...args]);

  /** A tar of the one program of the image. */
  async function programLayer(): Promise<Buffer> {
    const tree = join(dir, 'tree');
    await mkdir(join(tree, 'bin'), { recursive: true });
    execFileSync('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(tree, PROGRAM), '.'], {
      cwd: join(import.meta.dirname, 'platform-program'),
      env: { ...process.env, CGO_ENABLED: '0', GOOS: 'linux', GOARCH: ARCH },
    });
    const options = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
    return execFileSync('tar', [...options, '-C', tree, '-c', '.'], { maxBuffer: 64 * 2 ** 20 });
  }

  /** Skips, and says why, on a host without the emulator. */
  function lacksEmulator(t: TestContext): boolean {
    if (!isEmulated) t.skip(`no ${MACHINES[ARCH].program} on this host`);
    return !isEmulated;
  }

  test('doctor says whether they can be emulated, and what a host without the emulator has to install', async () => {
    const report = await lab.run(['doctor', '--json']);
    const { checks } = JSON.parse(report.stdout.toString()) as { checks: DoctorCheck[] };
    const check = checks.find(({ name }) => name === 'other platforms');
    assert.equal(check?.status, 'pass');
    const installed = `guests of ${PLATFORM} are emulated by QEMU`;
    const missing = `no guests of ${PLATFORM}: ${MACHINES[ARCH].program}: not installed`;
    assert.ok(check?.message.startsWith(isEmulated ? installed : missing), check?.message);
  });

  test('vm run pulls and boots one, says that it is emulated, and the image has a name of its own', async (t) => {
    if (lacksEmulator(t)) return;
    const wanted = ['--platform', PLATFORM, '--image', reference];
    const ran = await lab.run(['vm', 'run', '--rm', '--cold', ...wanted, ...SMALL]);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, WHERE], ran.stderr);
    assert.match(ran.stderr, new RegExp(`the guest is ${ARCH}, and this host is ${HOST_ARCH}: using soft`));
    const [image] = (await images()).filter(({ name }) => name.startsWith(registry.host));
    assert.deepEqual([image?.name, image?.arch], [`${reference}+${ARCH}`, ARCH]);
    const kernels = JSON.parse(await lab.text(['kernel', 'list', '--json'])) as Kernel[];
    const own = kernels.find(({ arch }) => arch === HOST_ARCH)?.name ?? '';
    const refused = await lab.run(['vm', 'run', '--rm', ...wanted, ...SMALL, '--kernel-ref', own]);
    assert.match(refused.stderr, new RegExp(`Cannot boot image .* with kernel "${own}"`));
    assert.equal((await lab.run(['image', 'pull', reference])).code, 1, 'it is not for this host');
  });

  test('a warm one is suspended, resumed and forked with its memory and its disk', async (t) => {
    if (lacksEmulator(t)) return;
    const name = `${reference}+${ARCH}`;
    await lab.text(['vm', 'run', '-d', '--name', 'other', '--image', name, ...SMALL]);
    assert.equal((await shown('other')).arch, ARCH);
    assert.equal(await inVm('other'), WHERE);
    const templates = JSON.parse(await lab.text(['template', 'list', '--json'])) as Template[];
    assert.ok(templates.some(({ arch, image }) => arch === ARCH && image === name));
    await inVm('other', 'write', '/root/file', 'on the disk');
    await inVm('other', 'write', '/dev/shm/secret', 'none yet');
    await inVm('other', 'start', '/dev/shm/secret');
    await inVm('other', 'forget', '/dev/shm/secret');
    const secret = await inVm('other', 'read', '/dev/shm/secret');
    assert.doesNotMatch(secret, /none yet/);
    await lab.text(['vm', 'suspend', 'other']);
    await lab.text(['vm', 'start', 'other']);
    assert.match(await inVm('other', 'read', '/root/file'), /^on the disk$/m);
    await inVm('other', 'forget', '/dev/shm/secret');
    assert.equal(await inVm('other', 'read', '/dev/shm/secret'), secret);
    await lab.text(['vm', 'fork', 'other', '--name', 'twin']);
    assert.equal((await shown('twin')).arch, ARCH);
    await inVm('twin', 'forget', '/dev/shm/secret');
    assert.equal(await inVm('twin', 'read', '/dev/shm/secret', '/root/file'), `${secret}on the disk\n`);
    assert.equal(await inVm('other'), WHERE);
    await lab.text(['vm', 'delete', 'other', 'twin']);
  });
});
