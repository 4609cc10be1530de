import { AppError } from '../../base/errors.ts';
import { isRecord } from '../../base/json-schema/check.ts';

/** The list of all files of a release, at its top. It does not name itself. */
export const CONTENTS_FILE = 'contents.json';

/** A file of a release. */
export interface FoundFile {
  sha256: string;
  sizeBytes: number;
  isProgram: boolean;
}

/** Files by their paths. */
export type Contents = ReadonlyMap<string, FoundFile>;

/** What every release must have for an update to it. */
const NEEDED = ['bin/banger', 'dist/banger.cjs', 'dist/bangerd.cjs', 'release.json'];

/** The text of a list of contents, sorted by path. */
export function contentsText(files: Contents): string {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ files: Object.fromEntries(sorted) }, null, 1)}\n`;
}

/** Reads a list of contents. @throws {AppError} UPDATE_ARCHIVE_INVALID */
export function parseContents(text: string): Contents {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid();
  }
  const files = isRecord(value) ? value['files'] : undefined;
  if (!isRecord(files)) throw invalid();
  return new Map(
    Object.entries(files).map(([path, file]): [string, FoundFile] => {
      if (!isRecord(file)) throw invalid();
      const { sha256, sizeBytes, isProgram } = file;
      if (typeof sha256 !== 'string' || typeof sizeBytes !== 'number' || typeof isProgram !== 'boolean') {
        throw invalid();
      }
      return [path, { sha256, sizeBytes, isProgram }];
    }),
  );
}

/** The first difference between the list and the files that are there; `undefined` when there is none. */
export function compareContents(listed: Contents, found: Contents): string | undefined {
  for (const path of NEEDED) if (!listed.has(path)) return `it lacks "${path}"`;
  for (const [path, file] of listed) {
    const there = found.get(path);
    if (!there) return `it lacks "${path}"`;
    if (there.isProgram !== file.isProgram) return `"${path}" has another mode than listed`;
    if (there.sha256 !== file.sha256 || there.sizeBytes !== file.sizeBytes) {
      return `"${path}" has another content than listed`;
    }
  }
  for (const path of found.keys()) {
    if (path !== CONTENTS_FILE && !listed.has(path)) return `it has "${path}", which is not listed`;
  }
  return undefined;
}

function invalid(): AppError {
  return new AppError(
    'UPDATE_ARCHIVE_INVALID',
    `Cannot unpack the release: its ${CONTENTS_FILE} is damaged`,
    {
      hint: 'nothing was changed; tell the makers of banger',
    },
  );
}
