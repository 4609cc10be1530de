import { splitGuestPlace } from '../vm/cp/place.ts';
import { type Completions, type LiveNames, matching } from './completions.ts';

/**
 * Completes one of the two places of a copy: after `NAME:` files of the guest, else files of the host and
 * names of VMs. One place is on the host and the other in a guest, so each is offered only where it can be.
 */
export async function completeCopyPlace({
  current,
  before,
  live,
}: {
  current: string;
  before: readonly string[];
  live: LiveNames;
}): Promise<Completions> {
  const guest = splitGuestPlace(current);
  if (guest) return await completeGuestPath({ ...guest, live });
  const other = before[0];
  if (other !== undefined && splitGuestPlace(other)) return { directive: ':files', candidates: [] };
  const vms = await live.names('vm');
  const { candidates } = matching(
    vms.map(({ word }) => ({ word: `${word}:` })),
    current,
  );
  // If the first place is on the host, the second is in a guest. The first itself may be either.
  return { directive: other === undefined ? ':files' : ':none', candidates };
}

async function completeGuestPath({
  ref,
  path,
  live,
}: {
  ref: string;
  path: string;
  live: LiveNames;
}): Promise<Completions> {
  if (path === '') return { directive: ':none', candidates: [`${ref}:/`] };
  if (!path.startsWith('/')) return { directive: ':none', candidates: [] };
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const names = await live.guestFiles(ref, folder);
  const isHiddenWanted = path.slice(folder.length).startsWith('.');
  return matching(
    names
      .filter((name) => isHiddenWanted || !name.startsWith('.'))
      .map((name) => ({ word: `${ref}:${folder}${name}` })),
    `${ref}:${path}`,
  );
}
