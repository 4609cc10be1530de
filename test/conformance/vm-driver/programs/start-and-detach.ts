import type { VmSpec } from '../../../../src/core/ports/vmm.ts';
import { type DriverFactory, makeDriver } from '../fixture.ts';

// Starts a VM, lets go of it, and ends by itself if nothing holds it.
const { factory, spec } = JSON.parse(process.argv[2] ?? '') as { factory: DriverFactory; spec: VmSpec };
const driver = await makeDriver(factory);
const vm = await driver.start(spec, { signal: AbortSignal.timeout(60_000) });
vm.detach();
vm.detach();
