import { messageOf } from '../../../base/errors.ts';
import { type FolderFacts, probeFolders, requireUsable } from '../../file-systems.ts';
import type { Check, Finding } from '../check.ts';

/** Our folders are on file systems that support what we store there. */
export const checkFileSystems: Check = {
  name: 'file systems',
  run: async ({ settings }) => judgeFolders(await probeFolders(settings.paths)),
};

/** The finding for tested folders. */
export function judgeFolders(folders: readonly FolderFacts[]): Finding {
  const details = folders.map(({ dir, name }) => `${dir}: ${name}`);
  try {
    requireUsable(folders);
  } catch (error) {
    const fix = `set ${folders
      .filter(({ missing }) => missing.length > 0)
      .map(({ movedBy }) => movedBy)
      .join(' and ')} to a folder on a local file system`;
    return { status: 'fail', message: messageOf(error), fix, details };
  }
  const notes = folders.flatMap(({ dir, name, isSparse, isRemote, movedBy }) => [
    ...(isSparse
      ? []
      : [
          {
            text: `"${dir}" (${name}) has no sparse files: memory and drives take their whole size`,
            movedBy,
          },
        ]),
    ...(isRemote
      ? [
          {
            text: `"${dir}" is on ${name}, whose server can make VMs wait; records are kept without a log`,
            movedBy,
          },
        ]
      : []),
  ]);
  const [first] = notes;
  if (!first) return { status: 'pass', message: 'they support what VMs need', details };
  return {
    status: 'warn',
    message: notes.map(({ text }) => text).join('; '),
    fix: `set ${first.movedBy} to a folder on a local file system`,
    details,
  };
}
