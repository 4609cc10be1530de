import { printable } from '../../base/errors.ts';
import type { DoctorCheck, DoctorFix } from '../../protocol/api/daemon.ts';
import type { Style } from '../render/style.ts';
import { wrap } from '../render/wrap.ts';

/** Options of {@link doctorReport}. */
export interface DoctorRendering {
  style: Style;
  /** width of the terminal; absent: lines are not wrapped */
  width: number | undefined;
  /** also prints the facts behind each check */
  isVerbose: boolean;
}

/** Returns one line per check, with the fix below if there is one, and a summary. */
export function doctorReport(
  { checks, fixed }: DoctorFix,
  { style, width, isVerbose }: DoctorRendering,
): string {
  const paint = { pass: style.green, warn: style.yellow, fail: style.red };
  const names = Math.max(0, ...checks.map(({ name }) => name.length));
  const indent = 'pass  '.length + names + 2;
  /** Wraps a text at column `indent`. Colours line by line, so that colour codes are not counted. */
  const column = (text: string, shown: (line: string) => string = (line) => line): string =>
    (width === undefined ? [printable(text)] : wrap(printable(text), Math.max(20, width - indent)))
      .map((line, at) => (at === 0 ? '' : ' '.repeat(indent)) + shown(line))
      .join('\n');
  const lines = checks.flatMap(({ name, status, message, fix, details = [] }) => [
    `${paint[status](status)}  ${printable(name).padEnd(names)}  ${column(message)}`,
    ...(isVerbose ? details.map((detail) => `${' '.repeat(indent)}${column(detail, style.dim)}`) : []),
    ...(fix ? [`${' '.repeat(indent)}${column(`fix: ${fix}`, style.dim)}`] : []),
  ]);
  const count = (wanted: DoctorCheck['status']): number =>
    checks.filter(({ status }) => status === wanted).length;
  return [
    ...fixed.map((name) => `removed ${printable(name)}`),
    ...lines,
    `${count('pass')} passed, ${count('warn')} warned, ${count('fail')} failed`,
    '',
  ].join('\n');
}
