import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { attributeOf, type PullGit, readBlob, storeBlob } from '../pull-git.ts';

/** A file that both sides have changed; names of blobs. */
export interface BothChanged {
  path: string;
  base: string;
  ours: string;
  theirs: string;
}

/** The merged blob; with conflicts, its text has markers. Without one, the files are not merged as text. */
export type MergedContent = { isClean: boolean; object: string } | { reason: string };

/** Git looks for a NUL in that many bytes to tell whether a file is binary. */
const LOOKED_AT_BYTES = 8000;

/** Larger files are not merged as text, in `bytes`. */
const MAX_MERGED_BYTES = 64 * 1024 * 1024;

/** What git-merge-file(1) writes at the markers. */
const LABELS = ['-L', 'this host', '-L', 'the tree that was sent', '-L', 'the VM'];

/**
 * Merges contents with git-merge-file(1), as the attribute `merge` says for each path: `binary` and `-merge`
 * are never merged, `union` has no conflicts. A driver of the user is not run.
 */
export async function mergeContents(
  git: PullGit,
  files: readonly BothChanged[],
  { signal }: Abortable,
): Promise<Map<string, MergedContent>> {
  const paths = files.map(({ path }) => path);
  const merges = await attributeOf(git, 'merge', { paths, signal });
  const filters = await attributeOf(git, 'filter', { paths, signal });
  const merged = new Map<string, MergedContent>();
  for (const file of files) {
    const filter = filters.get(file.path) ?? 'unspecified';
    const how = merges.get(file.path) ?? 'unspecified';
    const isText = filter === 'unspecified' || filter === 'unset';
    const result =
      !isText || how === 'unset' || how === 'binary'
        ? { reason: `changed here and in the VM, and ${isText ? 'it is not text' : 'a filter converts it'}` }
        : await mergeBlobs(git, file, { isUnion: how === 'union', signal });
    merged.set(file.path, result);
  }
  return merged;
}

/** Merges blobs as text; `isUnion`: lines that both sides have changed are taken from both. */
export async function mergeBlobs(
  git: PullGit,
  { base, ours, theirs }: Omit<BothChanged, 'path'>,
  { isUnion = false, signal }: Abortable & { isUnion?: boolean },
): Promise<MergedContent> {
  const names = [];
  for (const [name, object] of Object.entries({ ours, base, theirs })) {
    const { stdout } = await git.run(['cat-file', '-s', object], { signal });
    if (Number(stdout.toString('latin1')) > MAX_MERGED_BYTES) {
      return { reason: 'changed here and in the VM, and too large to be merged' };
    }
    const content = await readBlob(git, object, { signal });
    if (content.subarray(0, LOOKED_AT_BYTES).includes(0)) {
      return { reason: 'changed here and in the VM, and it is not text' };
    }
    const path = join(git.dir, `merge-${name}`);
    await writeFile(path, content);
    names.push(path);
  }
  const union = isUnion ? ['--union'] : [];
  const call = { signal, okCodes: Array.from({ length: 128 }, (_, at) => at) };
  const { code, stdout } = await git.run(['merge-file', '-p', '-q', ...union, ...LABELS, ...names], call);
  return { isClean: code === 0, object: await storeBlob(git, stdout, { signal }) };
}
