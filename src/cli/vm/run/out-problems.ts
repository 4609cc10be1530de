import { AppError } from '../../../base/errors.ts';
import type { OptionValues } from '../../program/command.ts';
import type { RUN_OPTIONS } from './options.ts';

/** What is wrong with `--out` and `--out-dir`. */
export function outProblems(
  { out, outDir, devcontainer }: Pick<OptionValues<typeof RUN_OPTIONS>, 'out' | 'outDir' | 'devcontainer'>,
  { hasCommand, hasFolder }: { hasCommand: boolean; hasFolder: boolean },
): AppError[] {
  const found: AppError[] = [];
  const refuse = (code: string, field: string, message: string, hint: string): void => {
    found.push(new AppError(code, message, { hint, details: { field } }));
  };
  if (out.length > 0 && outDir === undefined) {
    refuse('USAGE_OPTIONS', 'out', 'Cannot use --out without --out-dir', '--out-dir ./artifacts');
  }
  if (outDir !== undefined && out.length === 0) {
    refuse('USAGE_OPTIONS', 'out-dir', 'Cannot use --out-dir without --out', "--out 'dist/**'");
  }
  if (outDir === '') {
    refuse(
      'USAGE_OPTION_VALUE',
      'out-dir',
      'Cannot use "" for --out-dir: it is no folder',
      '--out-dir ./artifacts',
    );
  }
  if (out.length > 0 && !hasCommand) {
    refuse(
      'USAGE_OPTIONS',
      'out',
      'Cannot use --out without a command: nothing would be made',
      'give a command after --',
    );
  }
  for (const pattern of out) {
    const shown = JSON.stringify(pattern);
    if (pattern === '' || pattern === '/' || pattern.includes('\0') || pattern.split('/').includes('..')) {
      const hint = "for example --out 'dist/**'";
      refuse(
        'USAGE_OPTION_VALUE',
        'out',
        `Cannot use ${shown} for --out: it is no path below a folder`,
        hint,
      );
    } else if (!pattern.startsWith('/') && !hasFolder && !devcontainer) {
      const message = `Cannot use ${shown} for --out: without a working tree, a path must be absolute`;
      refuse('USAGE_OPTION_VALUE', 'out', message, "for example --out '/srv/out/**'");
    }
  }
  return found;
}
