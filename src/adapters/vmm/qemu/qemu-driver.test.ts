import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { NO_SECRETS } from '../../../../test/support/network/no-secrets.ts';
import { nullLog } from '../../../../test/support/null-log.ts';
import type { HostFacts } from '../host-facts.ts';
import { QemuDriver } from './qemu-driver.ts';

const PC: HostFacts = {
  arch: 'amd64',
  cpuInfo: async () => 'flags\t: fpu vmx constant_tsc\nbogomips\t: 4000.00\nmodel name\t: a PC\n',
  bootId: async () => 'boot',
  kvmOpenError: async () => undefined,
  load: () => 0,
};

const options = { signal: new AbortController().signal };
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'driver-'));
  for (const program of ['qemu-img', 'mkfs.ext4']) await install(program, '');
  await install('qemu-system-x86_64', 'microvm');
});
afterEach(() => rm(dir, { recursive: true }));

/** Installs a program that says of itself that it is QEMU with this machine. */
async function install(program: string, machine: string): Promise<void> {
  const script = `#!/bin/sh\ncase $1 in --version) echo 'QEMU emulator version 7.2.1' ;; *) printf 'Machines:\\n${machine} x\\n' ;; esac\n`;
  await writeFile(join(dir, program), script, { mode: 0o755 });
}

function driver(accelerator?: 'kvm'): QemuDriver {
  return new QemuDriver({
    cacheDir: join(dir, 'cache'),
    facts: PC,
    env: { PATH: dir },
    ...(accelerator === undefined ? {} : { accelerator }),
    receiver: ['/none'],
    hostTools: '/none',
    secretValues: NO_SECRETS,
    log: nullLog,
  });
}

test('guests of another architecture need another QEMU, whose package is named', async () => {
  const { isUsable, reason, packages } = await driver().probe(undefined, { ...options, arch: 'arm64' });
  assert.equal(isUsable, false);
  assert.equal(reason, 'qemu-system-aarch64: not installed');
  assert.equal(packages?.apt, 'qemu-system-arm');
  assert.equal((await driver().probe(undefined, options)).isUsable, true);
});

test('guests of another architecture are emulated, even where KVM is chosen', async () => {
  await install('qemu-system-aarch64', 'virt');
  const foreign = await driver('kvm').probe(undefined, { ...options, arch: 'arm64' });
  assert.equal(foreign.isUsable, true);
  assert.equal(foreign.accelerator, 'tcg');
  assert.equal(foreign.isForeign, true);
  assert.equal(foreign.reason, 'the guest is arm64, and this host is amd64');
  const own = await driver('kvm').probe(undefined, options);
  assert.deepEqual([own.accelerator, own.isForeign], ['kvm', undefined]);
  assert.notEqual(foreign.savedGuestKey, own.savedGuestKey);
});

test('the architecture of a probe is that of the kernel', async () => {
  await install('qemu-system-aarch64', 'virt');
  const boot = { arch: 'arm64', kernelPath: '/k', initrdPath: '/i', bootArgs: [] } as const;
  assert.equal((await driver().probe(boot, options)).isForeign, true);
});
