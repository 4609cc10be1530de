import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';

/** The commands of the session that README.md shows, in order; a shell runs each. */
export const SESSION: readonly string[] = [
  'git status --short',
  'banger vm run --rm . -- ./test.sh',
  'banger vm run --detach --name web .',
  "banger vm exec web -- sh -c 'uname -sr; sed -i s/Hi/Hello/ greet.sh; ./test.sh'",
  'banger vm fork web -n 2 --rm -- ./greet.sh',
  'banger vm workspace diff web',
  'banger vm workspace export web | git apply',
  'git status --short',
  'banger vm delete -f web',
];

const FILES: Readonly<Record<string, string>> = {
  'greet.sh': '#!/bin/sh\necho "Hi from $(hostname)"\n',
  'test.sh': '#!/bin/sh\n./greet.sh | grep from && echo "1 test passed"\n',
  'README.md': '# shop\n',
};

/** Makes the repository of the session, with one edit that is not committed. Returns its folder. */
export async function makeDemoRepository(folder: string, { signal }: Abortable): Promise<string> {
  await mkdir(folder);
  for (const [name, text] of Object.entries(FILES)) {
    await writeFile(join(folder, name), text, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
  }
  const git = async (...args: string[]): Promise<void> => {
    const identity = ['-c', 'user.name=Alex', '-c', 'user.email=alex@example.com'];
    await exec(['git', '-C', folder, ...identity, ...args], { signal });
  };
  await git('init', '--quiet');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'A shop that greets');
  await writeFile(join(folder, 'README.md'), '# shop\n\nIt greets.\n');
  return folder;
}
