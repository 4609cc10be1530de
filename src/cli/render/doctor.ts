import { printable } from '../../base/errors.ts';
import type { DoctorCheck } from '../../protocol/api.ts';
import type { Style } from './style.ts';

/** Checks as lines, what to do below each that needs it, and a sum. */
export function doctorReport(checks: readonly DoctorCheck[], style: Style): string {
  const paint = { pass: style.green, warn: style.yellow, fail: style.red };
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, message, fix }) => [
    `${paint[status](status)}  ${printable(name).padEnd(width)}  ${printable(message)}`,
    ...(fix ? [`      ${' '.repeat(width)}  ${style.dim(`fix: ${printable(fix)}`)}`] : []),
  ]);
  const count = (wanted: DoctorCheck['status']): number =>
    checks.filter(({ status }) => status === wanted).length;
  return `${lines.join('\n')}\n${count('pass')} passed, ${count('warn')} warned, ${count('fail')} failed\n`;
}
