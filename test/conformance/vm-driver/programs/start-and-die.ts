import type { VmSpec } from '../../../../src/core/ports/vmm.ts';
import { type DriverFactory, makeDriver } from '../fixture.ts';

// Starts a VM and is killed at once, as a daemon may be.
const { factory, spec } = JSON.parse(process.argv[2] ?? '') as { factory: DriverFactory; spec: VmSpec };
const driver = await makeDriver(factory);
const vm = await driver.start(spec, { signal: AbortSignal.timeout(60_000) });
process.stdout.write(`${JSON.stringify(vm.vmm)}\n`, () => process.kill(process.pid, 'SIGKILL'));
