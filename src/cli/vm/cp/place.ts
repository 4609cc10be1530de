import { AppError } from '../../../base/errors.ts';

/** One side of a copy. */
export type Place =
  /** an archive on stdin or stdout */
  { kind: 'stream' } | { kind: 'host'; path: string } | { kind: 'guest'; ref: string; path: string };

/** A copy from one side to the other; one of them is in a guest. */
export type CopyPlaces =
  | { from: Extract<Place, { kind: 'guest' }>; to: Exclude<Place, { kind: 'guest' }> }
  | { from: Exclude<Place, { kind: 'guest' }>; to: Extract<Place, { kind: 'guest' }> };

const EXAMPLES = 'for example: banger vm cp ./file web:/root/, or: banger vm cp web:/root/file .';

/**
 * Parses the two arguments of `vm cp`: `-`, `VM:/path`, or a path of the host. A host path with a colon is
 * written `./a:b`.
 *
 * @throws {AppError} USAGE_ARGUMENTS when not exactly one is in a guest, or its path there is not absolute.
 */
export function copyPlaces([source, target]: readonly [string, string]): CopyPlaces {
  const from = placeOf(source);
  const to = placeOf(target);
  if (from.kind === 'guest' && to.kind !== 'guest') return { from, to };
  if (from.kind !== 'guest' && to.kind === 'guest') return { from, to };
  const why = from.kind === 'guest' ? 'both are in VMs' : 'neither is in a VM';
  throw new AppError('USAGE_ARGUMENTS', `Cannot copy "${source}" to "${target}": ${why}`, {
    hint: EXAMPLES,
    details: { source, target },
  });
}

/**
 * Returns the VM and the path of `NAME:PATH`, or `undefined` for a path of this host. The path may be any
 * text.
 */
export function splitGuestPlace(text: string): { ref: string; path: string } | undefined {
  const [, ref, path] = /^([a-z0-9-]{1,63}):(.*)$/s.exec(text) ?? [];
  return ref === undefined || path === undefined ? undefined : { ref, path };
}

function placeOf(text: string): Place {
  if (text === '-') return { kind: 'stream' };
  const guest = splitGuestPlace(text);
  if (!guest) {
    if (text !== '' && !text.includes('\0')) return { kind: 'host', path: text };
    throw new AppError('USAGE_ARGUMENTS', 'Cannot copy "": it is not a path', { hint: EXAMPLES });
  }
  if (guest.path.startsWith('/') && !guest.path.includes('\0')) return { kind: 'guest', ...guest };
  throw new AppError('USAGE_ARGUMENTS', `Cannot copy "${text}": the path in the VM is not absolute`, {
    hint: `${EXAMPLES}; write a file of this host with a colon in its name as ./${text}`,
    details: { value: text },
  });
}
