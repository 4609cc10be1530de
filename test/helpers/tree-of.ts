import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { filesUnder } from './scratch-repository.ts';

/** Path, kind, executable bit and content of every file of a working tree. */
export function treeOf(root: string): Map<string, string> {
  return new Map(
    filesUnder(root).map((name) => {
      const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
      const info = lstatSync(path);
      const content = info.isSymbolicLink() ? readlinkSync(path, 'latin1') : readFileSync(path, 'latin1');
      return [name.slice(2), `${info.isSymbolicLink()} ${info.mode & 0o100} ${content}`];
    }),
  );
}
