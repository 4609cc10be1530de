import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import type { StartMode } from '../../../src/adapters/vmm/qemu/launch/argv.ts';
import { launchQemu } from '../../../src/adapters/vmm/qemu/launch/launch.ts';
import { MACHINES } from '../../../src/adapters/vmm/qemu/machine/machines.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { toolEnv } from '../../../src/base/process/programs.ts';
import type { VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { newPlace } from './fixture.ts';

const PERMITTED = { 'read the image': 'done', 'write a drive': 'done', 'write a log': 'done' };
const FORBIDDEN = [
  ...['read the home', 'list the home', 'write to the home', 'write beside the VM', 'change the image'],
  ...['run a program', 'call another program', "leave the VM's folder"],
];

describe('a VMM that a guest has taken over', { concurrency: false }, () => {
  const signal = AbortSignal.timeout(120_000);
  let dir: string;
  let binary: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hv-'));
    binary = join(dir, 'hostile-vmm');
    const cwd = join(import.meta.dirname, 'hostile-vmm');
    const env = { ...process.env, CGO_ENABLED: '0' };
    await exec(['go', 'build', '-trimpath', '-o', binary, '.'], { cwd, env, signal });
  });

  after(() => rm(dir, { recursive: true, force: true }));

  const { arch } = linuxHostFacts();

  function newSpec(): ReturnType<typeof newPlace> {
    const boot = { arch, kernelPath: binary, initrdPath: binary, bootArgs: [] };
    return newPlace({ dir, boot, accelerator: 'tcg' });
  }

  /** Starts the program instead of QEMU, through the same code; it ends at once. */
  async function start(
    spec: VmSpec,
    hostTools: string | undefined,
    mode: StartMode = { kind: 'boot' },
  ): Promise<void> {
    const machine = MACHINES[arch].typeIn(new Set());
    const host = { binary, arch, machine, ...(hostTools === undefined ? {} : { hostTools }) };
    const started = launchQemu(spec, { host, env: toolEnv(process.env), mode, signal });
    const code = mode.kind === 'boot' ? 'VMM_START_FAILED' : 'VMM_RESTORE_FAILED';
    await assert.rejects(started, { code });
  }

  /** What the program could do. */
  async function outcomes(hostTools: string | undefined): Promise<Record<string, string>> {
    const { spec, vmDir } = await newSpec();
    const paths = {
      home: join(dir, `home-${spec.vmId}`),
      vm: vmDir,
      root: join(dir, `root-${spec.vmId}`),
      drive: join(vmDir, 'drive'),
      socket: join(dir, `s-${spec.vmId}`),
    };
    await mkdir(paths.home);
    await chmod(paths.home, 0o755);
    for (const file of [join(paths.home, 'key'), paths.root, paths.drive])
      await writeFile(file, Buffer.alloc(512));
    await using server = createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => server.listen(paths.socket, resolve));
    const file = { format: 'raw', sizeBytes: 512 } as const;
    const bootArgs = Object.entries(paths).map(([name, path]) => `hostile.${name}=${path}`);
    const drives = [
      { ...file, serial: 'root', pathOnHost: paths.root, isReadOnly: true },
      { ...file, serial: 'work', pathOnHost: paths.drive, isReadOnly: false },
    ] as const;
    await start({ ...spec, bootSource: { ...spec.bootSource, bootArgs }, drives }, hostTools);
    return JSON.parse(await readFile(spec.vmmLogPath, 'utf8')) as Record<string, string>;
  }

  test('can read no file of the user, change no image, run no program, use no socket, and write only to its folder', async (context) => {
    const { stdout } = await exec([BUILT_HOST_TOOLS, 'walls'], { signal });
    const { landlockAbi } = JSON.parse(stdout.toString()) as { landlockAbi: number };
    if (landlockAbi === 0) return context.skip('this kernel has no Landlock');
    const forbidden = Object.fromEntries(FORBIDDEN.map((what) => [what, 'denied']));
    assert.deepEqual(await outcomes(BUILT_HOST_TOOLS), { ...PERMITTED, ...forbidden });
  });

  test('maps the memory of the saved guest from which it was restored, and cannot write to it', async (context) => {
    const { stdout } = await exec([BUILT_HOST_TOOLS, 'walls'], { signal });
    const { landlockAbi } = JSON.parse(stdout.toString()) as { landlockAbi: number };
    if (landlockAbi === 0) return context.skip('this kernel has no Landlock');
    const { spec } = await newSpec();
    const memoryPath = join(dir, 'memory');
    const content = Buffer.alloc(65_536, 'saved');
    await writeFile(memoryPath, content);
    const key = join(dir, 'key');
    await writeFile(key, 'x');
    const bootArgs = [`hostile.memory=${memoryPath}`, `hostile.home=${key}`];
    const bootSource = { ...spec.bootSource, bootArgs };
    await start({ ...spec, bootSource }, BUILT_HOST_TOOLS, { kind: 'restore', memoryPath });
    assert.deepEqual(JSON.parse(await readFile(spec.vmmLogPath, 'utf8')), {
      'map the memory': 'done',
      'change the memory': 'denied',
      'open another file': 'done',
      'open a file of the home': 'denied',
    });
    assert.ok((await readFile(memoryPath)).equals(content));
  });

  test('cannot fill the disk with its logs, which keep its last output', async () => {
    const { spec } = await newSpec();
    const bootSource = { ...spec.bootSource, bootArgs: ['hostile.flood=yes'] };
    await start({ ...spec, bootSource }, BUILT_HOST_TOOLS);
    for (const [path, last] of [
      [spec.consoleLogPath, 'the last of the console'],
      [spec.vmmLogPath, 'the last of the VMM'],
    ] as const) {
      const text = await readFile(path, 'latin1');
      assert.ok(text.length <= 4 * 2 ** 20 && text.length > 2 ** 20, `${path} has ${text.length} bytes`);
      assert.match(text, /^\[\d+ older bytes cut\]\ny+\n/);
      assert.equal(text.trimEnd().split('\n').at(-1), last);
    }
  });

  test('can do all of that without the second wall, so it is the wall that prevents it', async () => {
    const done = Object.fromEntries(FORBIDDEN.map((what) => [what, 'done']));
    assert.deepEqual(await outcomes(undefined), { ...PERMITTED, ...done });
  });
});
