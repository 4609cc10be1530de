import type { VerifiedGuests } from '../../core/vms/recovery/verify-saved.ts';
import { verifySnapshots, verifyTemplates } from '../../core/vms/recovery/verify-saved.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import type { Task } from '../../protocol/events.ts';
import type { DoctorHost } from './check.ts';

/**
 * Reads everything that was saved of guests; a damaged file fails its check. Sets a damaged template aside
 * and changes nothing else.
 */
export async function checkDeeply({ world }: DoctorHost, options: Task): Promise<DoctorCheck[]> {
  const templates = checkOf('templates', await verifyTemplates(world, options), {
    fix: 'check the disk; the next VM of that image and shape makes a new one',
  });
  const snapshots = await verifySnapshots(world, options);
  const [first] = snapshots.damaged;
  return [
    templates,
    checkOf('snapshots', snapshots, {
      fix: `check the disk, and delete it: banger vm snapshot delete ${first?.name ?? ''}`,
    }),
  ];
}

function checkOf(name: string, { count, damaged }: VerifiedGuests, { fix }: { fix: string }): DoctorCheck {
  if (damaged.length === 0) {
    return { name, status: 'pass', message: count === 0 ? 'there are none' : `${count} read, all as saved` };
  }
  return {
    name,
    status: 'fail',
    message: `${damaged.length} of ${count} damaged`,
    details: damaged.map((one) => `${one.name}: ${one.problem}`),
    fix,
  };
}
