import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { put, type Scratch } from './scratch-repository.ts';

/** Commits everything in a working tree. */
export function commitAll(scratch: Scratch, root: string, message: string): void {
  const identity = ['-c', 'user.name=A U Thor', '-c', 'user.email=author@example.com'];
  scratch.git(root, 'add', '-A');
  scratch.git(root, ...identity, 'commit', '-q', '-m', message);
}

/** Adds a submodule and commits it. */
export function addSubmodule(scratch: Scratch, root: string, from: string, folder: string): void {
  scratch.git(root, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', from, folder);
  commitAll(scratch, root, `with ${folder}`);
}

/**
 * A repository with the submodules `lib`, in which there is `nested`, and `unused`, which is not initialised.
 */
export function withSubmodules(scratch: Scratch, name = 'super'): { root: string; inner: string } {
  const nested = scratch.init(`${name}-nested`);
  put(nested, 'deep', 'deep\n');
  commitAll(scratch, nested, 'deep');
  const inner = scratch.init(`${name}-inner`);
  put(inner, 'code', 'code\n');
  commitAll(scratch, inner, 'code');
  addSubmodule(scratch, inner, nested, 'nested');
  const root = scratch.init(name);
  put(root, 'top', 'top\n');
  commitAll(scratch, root, 'top');
  addSubmodule(scratch, root, inner, 'lib');
  addSubmodule(scratch, root, nested, 'unused');
  const allow = ['-c', 'protocol.file.allow=always'];
  scratch.git(join(root, 'lib'), ...allow, 'submodule', '--quiet', 'update', '--init');
  scratch.git(root, 'submodule', '--quiet', 'deinit', '-f', 'unused');
  rmSync(join(root, '.git/modules/unused'), { recursive: true });
  return { root, inner };
}
