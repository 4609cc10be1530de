import type { VmRecord } from '../../ports/records.ts';
import type { SavedBy } from '../../ports/saved-by.ts';
import type { Saving } from '../world.ts';

/** What would save the guest of a running VM; its VMM may be older than the one that new VMs get. */
export function savedByOf(
  world: Pick<Saving, 'release'>,
  { runtime }: VmRecord,
  agent: SavedBy['agent'],
): SavedBy {
  const kind = runtime?.savedGuestKind;
  return { ...(kind ? { kind } : {}), ...(agent ? { agent } : {}), banger: world.release };
}
