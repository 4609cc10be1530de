import { formatSize } from '../../../base/text/size.ts';
import { plural } from '../../../base/text/words.ts';
import type { Check } from '../check.ts';

/** The default sizes of a VM, and where they come from. */
export const checkVmDefaults: Check = {
  name: 'vm defaults',
  async run({ settings }) {
    const { vcpuCount, memoryMib, diskSizeBytes, systemOverlaySizeBytes } = settings.vmDefaults;
    const parts = [
      `vcpu ${vcpuCount.value} (${vcpuCount.from})`,
      `memory ${memoryMib.value} MiB (${memoryMib.from})`,
      `disk ${formatSize(diskSizeBytes.value)} (${diskSizeBytes.from})`,
      `system overlay ${formatSize(systemOverlaySizeBytes.value)} (${systemOverlaySizeBytes.from})`,
    ];
    const tooMuch = memoryMib.value > settings.host.memoryMib || vcpuCount.value > settings.host.cpuCount;
    return {
      status: tooMuch ? 'fail' : 'pass',
      message: parts.join(', '),
      ...(tooMuch
        ? {
            fix: `this host has ${plural(settings.host.cpuCount, 'CPU')} and ${settings.host.memoryMib} MiB: edit ${settings.paths.configFile}`,
          }
        : {}),
    };
  },
};
