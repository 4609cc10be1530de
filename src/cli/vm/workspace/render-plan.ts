import { printable } from '../../../base/errors.ts';
import type { PulledPath, PulledWorkspace } from '../../../protocol/api/workspace-pull.ts';
import type { Style } from '../../render/style.ts';

const LETTERS: Readonly<Record<PulledPath['action'], string>> = {
  add: 'A',
  modify: 'M',
  merge: 'M',
  delete: 'D',
};

/** A line for each file that a pull changes, and for each that it does not, with the reason. */
export function planLines(
  {
    paths,
    conflicts,
    refused,
    skipped,
  }: Pick<PulledWorkspace, 'paths' | 'conflicts' | 'refused' | 'skipped'>,
  style: Style,
): string {
  const paint: Readonly<Record<PulledPath['action'], (text: string) => string>> = {
    add: style.green,
    modify: style.yellow,
    merge: style.yellow,
    delete: style.red,
  };
  const marked = new Set(conflicts.filter(({ isMarked }) => isMarked).map(({ path }) => path));
  const changed = paths
    .filter(({ path }) => !marked.has(path))
    .map(({ path, action }) => {
      const note = action === 'merge' ? ' (merged with your changes)' : '';
      return `${paint[action](`${LETTERS[action]}  ${printable(path)}`)}${note}`;
    });
  const problems = [
    ...conflicts.map(({ path, reason, isMarked }) => {
      const note = isMarked ? `${reason}; marked in the file` : reason;
      return style.red(`C  ${printable(path)} (${printable(note)})`);
    }),
    ...refused.map(({ path, reason }) => style.red(`!  ${printable(path)} (${printable(reason)})`)),
    ...skipped.map(({ path, reason }) => style.dim(`-  ${printable(path)} (${printable(reason)})`)),
  ];
  return [...changed, ...problems].map((line) => `${line}\n`).join('');
}
