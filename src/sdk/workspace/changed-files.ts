/** How a file differs from what was sent. */
const FILE_STATUSES = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  T: 'type changed',
} as const;

type StatusLetter = keyof typeof FILE_STATUSES;

/**
 * A file that the guest has changed. `vm workspace diff --json` prints it: fields are added, never changed.
 */
export interface ChangedFile {
  /** below the top of the repository; U+FFFD replaces what is not UTF-8 */
  path: string;
  status: (typeof FILE_STATUSES)[StatusLetter];
  /** six octal digits, as git has them; absent for a file that was added */
  oldMode?: string;
  /** absent for a file that was deleted */
  newMode?: string;
  /** lines; both are 0 for a binary file */
  insertions: number;
  deletions: number;
  isBinary: boolean;
}

/**
 * Parses what `git diff-index --raw --numstat -z` prints: all entries of the first format, then all of the
 * second. Returns `undefined` for anything else.
 */
export function parseChanges(output: Buffer): ChangedFile[] | undefined {
  if (output.length === 0) return [];
  const fields = output.toString('latin1').split('\0');
  if (fields.pop() !== '') return undefined;
  const files = new Map<string, ChangedFile>();
  let at = 0;
  for (; fields[at]?.startsWith(':'); at += 2) {
    const [, oldMode = '', newMode = '', letter = ''] =
      /^:(\d{6}) (\d{6}) [0-9a-f]{40,64} [0-9a-f]{40,64} ([AMDT])$/.exec(fields[at] ?? '') ?? [];
    const name = fields[at + 1];
    if (letter === '' || !name || files.has(name)) return undefined;
    files.set(name, {
      path: Buffer.from(name, 'latin1').toString('utf8'),
      status: FILE_STATUSES[letter as StatusLetter],
      ...(letter === 'A' ? {} : { oldMode }),
      ...(letter === 'D' ? {} : { newMode }),
      ...{ insertions: 0, deletions: 0, isBinary: false },
    });
  }
  for (; at < fields.length; at += 1) {
    const [, insertions = '', deletions = '', name = ''] =
      /^(\d{1,15}|-)\t(\d{1,15}|-)\t(.+)$/s.exec(fields[at] ?? '') ?? [];
    const file = files.get(name);
    if (!file) return undefined;
    if (insertions === '-') file.isBinary = true;
    else Object.assign(file, { insertions: Number(insertions), deletions: Number(deletions) });
  }
  return [...files.values()];
}
