import { readFileSync } from 'node:fs';
import type { VmSpec } from '../../../../src/core/ports/vmm.ts';
import { type DriverFactory, makeDriver } from '../fixture.ts';
import { askGuest } from '../test-guest.ts';

// Makes drives, boots a VM on them, asks its guest for them, and prints that with what the host's kernel says of the VMM.
const { factory, spec, request } = JSON.parse(process.argv[2] ?? '') as {
  factory: DriverFactory;
  spec: VmSpec;
  request: Parameters<Awaited<ReturnType<typeof makeDriver>>['prepareDrives']>[0];
};
const signal = AbortSignal.timeout(60_000);
const driver = await makeDriver(factory);
const drives = await driver.prepareDrives(request, { signal });
const vm = await driver.start({ ...spec, drives }, { signal });
const seen = await askGuest(vm.guestEndpoint.path, 'drives', { signal });
const clock = await askGuest(vm.guestEndpoint.path, 'clock', { signal });
const status = readFileSync(`/proc/${vm.vmm.pid}/status`, 'utf8');
const session = readFileSync(`/proc/${vm.vmm.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3];
await vm.kill();
process.stdout.write(
  JSON.stringify({ seen, clock, status, isSessionLeader: Number(session) === vm.vmm.pid }),
);
