import type { EndedVm as EndedVmView, Vm } from '../../protocol/vm.ts';
import type { DamagedRecord, VmRecord } from '../ports/records.ts';
import { recordDamaged } from './find-vm.ts';
import type { EndedVm } from './lifecycle/stop-vm.ts';

/** A record as the API shows it. */
export function vmView(record: VmRecord): Vm {
  const { runtime } = record;
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    image: record.imageName,
    ...(record.arch === undefined ? {} : { arch: record.arch }),
    vmm: record.driverName,
    ...(record.imageConfig ? { imageConfig: record.imageConfig } : {}),
    ...(record.user === undefined ? {} : { user: record.user }),
    shape: record.shape,
    network: record.network,
    nat: record.network.mode === 'user',
    ...(record.guestIp === undefined ? {} : { guest_ip: record.guestIp }),
    ...(record.forwards?.length ? { forwards: [...record.forwards] } : {}),
    ephemeral: record.ephemeral,
    ...(record.purpose === undefined ? {} : { purpose: record.purpose }),
    ...(record.workspace ? { workspace: record.workspace } : {}),
    ...(runtime && record.state === 'running'
      ? {
          runtime: {
            vmm: record.driverName,
            accelerator: runtime.accelerator,
            pid: runtime.vmm.pid,
            startedAt: runtime.startedAt,
          },
        }
      : {}),
    ...(record.lastError ? { lastError: record.lastError } : {}),
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
  };
}

/**
 * A VM whose record cannot be read, as the API shows it: unknown fields are empty, and `lastError` says why.
 */
export function damagedView(damaged: DamagedRecord): Vm {
  const { code, message } = recordDamaged(damaged);
  return {
    id: damaged.id,
    name: damaged.name,
    state: 'error',
    image: '',
    shape: { vcpuCount: 0, memoryMib: 0, diskSizeBytes: 0, systemOverlaySizeBytes: 0 },
    network: { mode: 'none' },
    nat: false,
    ephemeral: false,
    lastError: { code, message },
    createdAt: '',
    updatedAt: '',
  };
}

/** A VM that was stopped or killed, as the API shows it. */
export function endedView({ record, ending }: EndedVm): EndedVmView {
  return { ...vmView(record), ...(ending ? { ending } : {}) };
}
