import { AppError } from '../../base/errors.ts';
import { findProgram, type Variables } from '../../base/process/programs.ts';
import { installHint, packagesOf } from '../../core/rules/host-packages.ts';

/**
 * The path of a program that makes drives.
 *
 * @throws {AppError} VMM_TOOL_MISSING naming the package.
 */
export async function requireTool(program: string, env: Variables): Promise<string> {
  const path = await findProgram(program, env);
  if (path) return path;
  throw new AppError('VMM_TOOL_MISSING', `Cannot make drives: "${program}" is not installed`, {
    hint: installHint([program]),
    details: { program, packages: packagesOf([program]) },
  });
}
