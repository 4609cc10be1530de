/** A file or symlink of a package. `path` is relative and has no `.` or `..`. */
export type PackageEntry =
  | { path: string; content: Buffer; isProgram: boolean }
  | { path: string; target: string };

/** A file that nobody runs. */
export function plainFile(path: string, content: Buffer | string): PackageEntry {
  return { path, content: Buffer.from(content), isProgram: false };
}

/** A file that is run. */
export function programFile(path: string, content: Buffer | string): PackageEntry {
  return { path, content: Buffer.from(content), isProgram: true };
}

/** The entries with `folder` before each path. */
export function below(folder: string, entries: readonly PackageEntry[]): PackageEntry[] {
  return entries.map((entry) => ({ ...entry, path: `${folder}/${entry.path}` }));
}

/** What {@link PackageEntry.content} is; empty for symlinks. */
export function contentOf(entry: PackageEntry): Buffer {
  return 'content' in entry ? entry.content : Buffer.alloc(0);
}
