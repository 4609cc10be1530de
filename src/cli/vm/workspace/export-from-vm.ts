import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, isErrno } from '../../../base/errors.ts';
import { exportCommits } from '../../../sdk/workspace/export-commits.ts';
import { exportWorkspace } from '../../../sdk/workspace/export-workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import { passText } from '../../context/pass-text.ts';
import type { Invocation } from '../../program/command.ts';
import { guestRepository } from './guest-repository.ts';
import type { EXPORT_OPTIONS } from './options.ts';

/** What `vm workspace export --json` prints. Fields are added, never changed. */
export interface ExportReport {
  guestPath: string;
  /** absolute */
  output: string;
  bytes: number;
}

/**
 * Prints the changes in a VM's repository as a patch, or its commits, or writes them to a file. Returns the
 * exit status.
 */
export async function exportFromVm(
  { args: [ref = ''], options }: Invocation<typeof EXPORT_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const { vm, guestPath } = await guestRepository(ref, options, {
    ...{ verb: 'export from', problems: wrongOptions(options, context), context },
  });
  const client = await context.client();
  context.progress.step('vm workspace', `exporting ${guestPath}`);
  const which = { guestPath, baseCommit: options.baseCommit, signal };
  const content = options.commits
    ? exportCommits(client, vm.id, { ...which, format: options.format === 'am' ? 'am' : 'bundle' })
    : exportWorkspace(client, vm.id, which);
  const nothing = options.commits ? 'there are no commits' : 'there are no changes';
  let bytes = 0;
  const counted = (async function* () {
    for await (const chunk of content) {
      context.progress.clear();
      bytes += chunk.length;
      yield chunk;
    }
  })();
  if (options.output === undefined) {
    await passText(counted, { sink: context.stdout, signal });
    if (bytes === 0) context.notice(nothing);
    return 0;
  }
  const output = resolve(context.io.cwd, options.output);
  await writeWhole(output, counted, context);
  if (options.json) await context.printJson({ guestPath, output, bytes } satisfies ExportReport);
  else context.notice(bytes === 0 ? nothing : `${bytes} bytes in ${output}`);
  return 0;
}

function wrongOptions(
  { output, commits, format, json }: Invocation<typeof EXPORT_OPTIONS>['options'],
  { stdout }: Pick<CommandContext, 'stdout'>,
): AppError[] {
  const refuse = (code: string, message: string, hint: string): AppError =>
    new AppError(code, message, { hint });
  const found: AppError[] = [];
  if (format !== undefined && !commits) {
    found.push(
      refuse('USAGE_OPTIONS', 'Cannot use --format without --commits: a patch has one format', '--commits'),
    );
  }
  if (format !== undefined && format !== 'bundle' && format !== 'am') {
    found.push(
      refuse(
        'USAGE_OPTION_VALUE',
        `Cannot use ${JSON.stringify(format)} for --format: there is no such format`,
        'use bundle or am',
      ),
    );
  }
  if (commits && format !== 'am' && output === undefined && stdout.isTerminal) {
    found.push(
      refuse('USAGE_OPTIONS', 'Cannot print a bundle on a terminal: it is not text', '-o web.bundle'),
    );
  }
  if (output === '')
    found.push(
      refuse('USAGE_OPTION_VALUE', 'Cannot use "" for --output: it is not a file name', '-o web.patch'),
    );
  if (json && output === undefined) {
    found.push(
      refuse('USAGE_OPTIONS', 'Cannot use --json without --output: stdout is for the patch', '-o web.patch'),
    );
  }
  return found;
}

/** What may keep a file from being written. */
const WRITE_FAILURES = [
  ...['EACCES', 'EEXIST', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EROFS', 'ENAMETOOLONG'],
  ...['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'],
];

/** Writes a file that appears only when it is complete. */
async function writeWhole(
  path: string,
  content: AsyncIterable<Buffer>,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<void> {
  const temporary = `${path}.partial`;
  try {
    await pipeline(
      Readable.from(content, { objectMode: false }),
      createWriteStream(temporary, { flags: 'wx' }),
      {
        signal,
      },
    );
    await rename(temporary, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) await rm(temporary, { force: true });
    signal.throwIfAborted();
    if (!isErrno(error, ...WRITE_FAILURES)) throw error;
    throw new AppError('OUTPUT_FAILED', `Cannot write "${path}"`, { cause: error });
  }
}
