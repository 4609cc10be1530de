import { AppError } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';

/** The folder in the guest that a working tree was copied to. @throws {AppError} WORKSPACE_UNKNOWN */
export function repositoryOf({ name, workspace }: Pick<Vm, 'name' | 'workspace'>): string {
  if (workspace) return workspace.guestPath;
  throw new AppError(
    'WORKSPACE_UNKNOWN',
    `Cannot find commits in vm "${name}": no working tree was copied into it`,
    {
      hint: `copy one first: banger vm workspace prepare ${name} PATH --mode full_copy`,
    },
  );
}
