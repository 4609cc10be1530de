import { printable } from '../../../base/errors.ts';

/** One thing that was not copied because it could start programs on this host. */
export interface LeftOut {
  /** path below the target */
  path: string;
  why: 'hook' | 'settings' | 'git-folder' | 'bare-repository';
  /** for `settings`: the names of those that were not copied */
  settings?: string[];
}

/** Maximum number of things that are listed, and of settings listed for each. */
const MAX_TOLD = 100;

/** The things that a copy left out. */
export class LeftOutList {
  readonly told: LeftOut[] = [];
  count = 0;

  add(entry: LeftOut): void {
    this.count += 1;
    if (this.told.length >= MAX_TOLD) return;
    this.told.push(entry.settings ? { ...entry, settings: entry.settings.slice(0, MAX_TOLD) } : entry);
  }
}

/** Maximum number of things that a sentence names. */
const MAX_NAMED = 5;

/** Returns the sentence for the user. */
export function leftOutText({
  leftOut,
  leftOutCount,
}: {
  leftOut: readonly LeftOut[];
  leftOutCount: number;
}): string {
  const named = leftOut.slice(0, MAX_NAMED).map(({ path, settings }) => {
    const some = settings?.slice(0, MAX_NAMED).join(', ') ?? '';
    const more = settings && settings.length > MAX_NAMED ? ', ...' : '';
    return printable(settings ? `${path} (${some}${more})` : path);
  });
  const more = leftOutCount > named.length ? ` and ${leftOutCount - named.length} more` : '';
  return `left out, because git could run it on this host: ${named.join('; ')}${more}; --all copies it too`;
}
