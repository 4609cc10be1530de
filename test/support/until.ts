import { neverAborts, poll } from '../../src/base/abort.ts';
import { patient } from './patience.ts';

/** How {@link until} waits; all is optional. */
export interface UntilOptions {
  /** what is waited for, for the error; default: the source of the condition */
  what?: string;
  /** `ms` between two checks; default 5 */
  everyMs?: number;
  /** `ms` after which it fails; default 55,000. More for what a guest under emulation does while it boots. */
  deadlineMs?: number;
}

/**
 * `ms`. Far more than a busy host needs, and less than the time limit of a test, so that the error names what
 * hangs.
 */
const DEADLINE_MS = 55_000;

/**
 * Waits until a condition holds. A wait that never ends would hide what it waits for, and keep the file's
 * process after its test.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  { what = `that ${isSo.toString()}`, everyMs = 5, deadlineMs = DEADLINE_MS }: UntilOptions = {},
): Promise<void> {
  const attempt = async (): Promise<true | undefined> => (await isSo()) || undefined;
  await poll(attempt, { everyMs, deadlineMs: patient(deadlineMs), what, signal: neverAborts() });
}
