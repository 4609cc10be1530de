import { splitGuestPlace } from '../vm/cp/place.ts';
import { type Completions, type LiveNames, matching } from './completions.ts';

/**
 * Completes one of the two places of a copy: behind `NAME:` the guest's files, else the host's files and the
 * names of VMs. One side is the host's and the other the guest's, so each is offered only where it may be.
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
  // A copy from the host goes to a guest; which side the first place is on is still open.
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
