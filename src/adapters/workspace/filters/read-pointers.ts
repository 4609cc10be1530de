import type { Abortable } from '../../../base/abort.ts';
import type { Git } from '../git/git-command.ts';
import { type LfsPointer, MAX_POINTER_BYTES, parseLfsPointer } from './lfs-pointer.ts';

/** Those of `objects` that are pointers of Git LFS, by name. Reads none that is too large, or missing. */
export async function readPointers(
  git: Git,
  objects: readonly string[],
  { signal }: Abortable,
): Promise<Map<string, LfsPointer>> {
  const names = [...new Set(objects)];
  if (names.length === 0) return new Map();
  const input = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
  const check = ['cat-file', '--batch-check=%(objectname) %(objecttype) %(objectsize)'];
  const sizes = await git.run(check, { signal, input: input(names) });
  const small = sizes.stdout
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const [, name, size] = /^([0-9a-f]{40,64}) blob (\d+)$/.exec(line) ?? [];
      return name !== undefined && Number(size) <= MAX_POINTER_BYTES ? [name] : [];
    });
  if (small.length === 0) return new Map();
  const { stdout } = await git.run(['cat-file', '--batch'], { signal, input: input(small) });
  return parseBatch(stdout);
}

/** Parses the output of `git cat-file --batch`: `object SP type SP size LF content LF`. */
function parseBatch(output: Buffer): Map<string, LfsPointer> {
  const found = new Map<string, LfsPointer>();
  for (let at = 0; at < output.length; ) {
    const lineEnd = output.indexOf(0x0a, at);
    const [name, , size] = output.toString('latin1', at, lineEnd).split(' ');
    const end = lineEnd + 1 + Number(size);
    const pointer = parseLfsPointer(output.subarray(lineEnd + 1, end));
    if (name !== undefined && pointer) found.set(name, pointer);
    at = end + 1;
  }
  return found;
}
