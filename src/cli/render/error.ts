import { AppError, messageOf, printable } from '../../base/errors.ts';
import { jsonText } from '../../base/text/unprintable.ts';
import { BUG_CODE, causesOf, errorBodyOf, realErrorOf } from '../../protocol/error-body.ts';
import type { Style } from './style.ts';

/** How an error is printed. */
export interface ErrorRendering {
  style: Style;
  /** path of the daemon's log, shown for bugs */
  logPath: string | undefined;
  /** shows stack traces of bugs */
  isDebug: boolean;
}

/** Returns the text of an error for people: what failed, why, and one next step. */
export function renderError(error: unknown, { style, logPath, isDebug }: ErrorRendering): string {
  const real = realErrorOf(error);
  const isBug = !(real instanceof AppError) || real.code === BUG_CODE;
  const lines = [`${style.red('banger:')} ${isBug ? 'this is a bug: ' : ''}${messageOf(real)}`];
  for (const problem of problemsOf(real)) lines.push(`  - ${problem}`);
  for (const cause of causesOf(error)) lines.push(`  cause: ${cause}`);
  if (real instanceof AppError && real.hint) lines.push(`  ${style.bold('hint:')} ${printable(real.hint)}`);
  if (isBug && logPath) lines.push(`  log: ${printable(logPath)}`);
  if (isBug && isDebug && real instanceof Error && real.stack) lines.push(printableStack(real.stack));
  return `${lines.join('\n')}\n`;
}

function printableStack(stack: string): string {
  const shown = (line: string): string => `${/^ */.exec(line)?.[0]}${printable(line)}`;
  return stack.split('\n').map(shown).join('\n');
}

/** The problems of a command line that has several. */
function problemsOf(error: unknown): string[] {
  const problems = error instanceof AppError ? error.details?.['problems'] : undefined;
  if (!Array.isArray(problems)) return [];
  return problems.flatMap((problem: { message?: unknown; hint?: unknown }) => {
    if (typeof problem?.message !== 'string') return [];
    const hint = typeof problem.hint === 'string' ? ` (${problem.hint})` : '';
    return printable(`${problem.message}${hint}`);
  });
}

/** Returns the error as one JSON value, for `--json`. */
export function renderErrorJson(error: unknown): string {
  return `${jsonText({ error: errorBodyOf(error) }, 2)}\n`;
}
