import { AppError } from '../../base/errors.ts';
import { VMM_NAMES, type VmmName } from '../../protocol/vmm/names.ts';
import type { OptionDefinitions } from '../program/command.ts';

/** Option of every command that makes a VM. */
export const VMM_OPTION = {
  vmm: {
    type: 'value',
    value: 'vmm',
    kind: VMM_NAMES,
    summary: `the VMM that runs the VM: ${VMM_NAMES.join(' or ')}`,
    defaultText: (settings) =>
      settings?.defaultVmm ??
      'vmm of [vm_defaults] in the config file, else the first that works here and fits',
  },
} as const satisfies OptionDefinitions;

/** @throws {AppError} USAGE_OPTION_VALUE */
export function parseVmm(text: string): VmmName {
  const found = VMM_NAMES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --vmm: it is not a VMM of banger`, {
    hint: `--vmm takes ${VMM_NAMES.join(' or ')}`,
    details: { field: 'vmm', value: text },
  });
}
