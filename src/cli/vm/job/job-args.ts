import { VMM_SIGNALS, type VmmSignal } from '../../../protocol/vmm-signal.ts';
import type { ArgumentDefinition } from '../../program/command.ts';
import { badOption } from '../guest-env.ts';

/** The job that a command is about. */
export const ONE_JOB: ArgumentDefinition = {
  name: 'job',
  summary: 'id or unique id prefix of the job: banger vm jobs lists them',
  isRequired: true,
  kind: 'other',
};

/**
 * Returns the signal that `--signal` names, with or without SIG.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function jobSignalOf(given: string | undefined): VmmSignal | undefined {
  const found = VMM_SIGNALS.find((signal) => signal === given || signal === `SIG${given}`);
  if (found || given === undefined) return found;
  const names = VMM_SIGNALS.map((signal) => signal.slice(3)).join(', ');
  throw badOption('--signal', {
    value: given,
    why: 'it is not a signal for jobs',
    hint: `use one of ${names}`,
  });
}

/** Where in the output of a job to begin. */
export const AFTER_OPTION = {
  type: 'value',
  value: 'cursor',
  summary: 'begin after what was read before; an earlier command has printed the cursor',
  defaultText: () => 'the oldest output that the guest has',
} as const;
