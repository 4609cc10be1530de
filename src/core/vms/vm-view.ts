import type { Vm } from '../../protocol/vm.ts';
import type { VmRecord } from '../ports/records.ts';

/** A record as the API shows it. */
export function vmView(record: VmRecord): Vm {
  const { runtime } = record;
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    image: record.imageName,
    shape: record.shape,
    nat: record.nat,
    ephemeral: record.ephemeral,
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
