import { AppError } from '../../../base/errors.ts';
import type { VmNetwork } from '../../../protocol/vm.ts';

/**
 * The network that a request asks for, in either spelling. `undefined` when it asks for none in particular.
 *
 * @throws {AppError} REQUEST_INVALID when the two differ.
 */
export function requestedNetwork({
  network,
  nat,
}: {
  network?: VmNetwork | undefined;
  nat?: boolean | undefined;
}): VmNetwork | undefined {
  if (nat === undefined) return network;
  const mode = nat ? 'user' : 'none';
  if (network && network.mode !== mode) {
    throw new AppError(
      'REQUEST_INVALID',
      `Cannot use both: "network" is "${network.mode}", and "nat" is ${nat}`,
      {
        hint: 'leave "nat" out',
      },
    );
  }
  return { mode };
}
