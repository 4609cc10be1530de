import { isCursor } from '../../../protocol/api/jobs.ts';
import { badOption } from '../guest-env.ts';

/**
 * Returns the cursor that `--after` names.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function cursorOf(given: string | undefined): string | undefined {
  if (given === undefined || isCursor(given)) return given;
  throw badOption('--after', {
    value: given,
    why: 'it is not a cursor',
    hint: 'give the number that banger vm job logs or banger vm attach has printed, or 0 for the beginning',
  });
}
