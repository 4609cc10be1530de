import { formatSize } from '../../../base/text/size.ts';
import { MAX_VCPU_COUNT, sharedCpusNotice } from '../../../core/rules/vm-shape.ts';
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
    const tooMuch = memoryMib.value > settings.host.memoryMib || vcpuCount.value > MAX_VCPU_COUNT;
    const shared = sharedCpusNotice({ vcpuCount: vcpuCount.value }, settings.host);
    return {
      status: tooMuch ? 'fail' : 'pass',
      message: [...parts, ...(shared === undefined ? [] : [shared])].join(', '),
      ...(tooMuch
        ? {
            fix: `a VM may have ${MAX_VCPU_COUNT} virtual CPUs and the ${settings.host.memoryMib} MiB of this host: edit ${settings.paths.configFile}`,
          }
        : {}),
    };
  },
};
