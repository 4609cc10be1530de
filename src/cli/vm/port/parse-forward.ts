import { AppError } from '../../../base/errors.ts';
import type { VmForward } from '../../../protocol/vm.ts';

const MAX_PORT = 65_535;

/**
 * Parses `HOST:GUEST`, or one port for both.
 *
 * @throws {AppError} USAGE_ARGUMENTS
 */
export function parseForward(text: string): VmForward {
  const [, host = '', guest = host] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const forward = { hostPort: Number(host), guestPort: Number(guest) };
  if (Object.values(forward).every((port) => port >= 1 && port <= MAX_PORT)) return forward;
  throw new AppError(
    'USAGE_ARGUMENTS',
    `Cannot forward "${text}": it is not HOST:GUEST, two ports from 1 to 65535`,
    {
      hint: 'for example: banger vm port web 8080:80',
      details: { field: 'ports', value: text },
    },
  );
}
