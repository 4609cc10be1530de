import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { CATALOG } from '../src/cli/commands.ts';
import { cliReference } from './docs/cli-reference.ts';

const ROOT = join(import.meta.dirname, '..');

/** The documents that are generated from the source, and the function that generates each. */
const GENERATED: readonly { path: string; text: () => string }[] = [
  { path: 'docs/cli.md', text: () => cliReference(CATALOG) },
];

process.exitCode = await main(process.argv.slice(2));

/** Writes the generated documents. With `--check` it writes nothing and lists the stale ones. */
async function main(args: readonly string[]): Promise<number> {
  const isCheck = args.includes('--check');
  let stale = 0;
  for (const { path, text } of GENERATED) {
    const wanted = text();
    if ((await readOrNothing(join(ROOT, path))) === wanted) continue;
    stale += 1;
    if (isCheck) process.stderr.write(`${path} is stale: node scripts/generate-docs.ts\n`);
    else await writeFileAtomic(join(ROOT, path), wanted, { mode: 0o644 });
  }
  return isCheck && stale > 0 ? 1 : 0;
}

async function readOrNothing(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
