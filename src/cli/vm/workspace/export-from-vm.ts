import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, isErrno } from '../../../base/errors.ts';
import { exportWorkspace } from '../../../sdk/export-workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import { passText } from '../../context/pass-text.ts';
import type { Invocation } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { guestFolder } from '../guest-path.ts';
import type { EXPORT_OPTIONS } from './options.ts';

/** What `vm workspace export --json` prints. Fields are added, never changed. */
export interface ExportReport {
  guestPath: string;
  /** absolute */
  output: string;
  bytes: number;
}

/** Prints the changes in a VM's repository as a patch, or writes them to a file. Returns the exit status. */
export async function exportFromVm(
  { args: [ref = ''], options }: Invocation<typeof EXPORT_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const problems = new ProblemList();
  for (const problem of wrongOptions(options)) problems.add(problem);
  const given = problems.attempt(() => options.guestPath && guestFolder(options.guestPath, '--guest-path'));
  problems.throwAny();
  const client = await context.client();
  const vm = await client.showVm(ref, { signal });
  const guestPath = given || vm.workspace?.guestPath;
  if (guestPath === undefined) {
    throw new AppError(
      'WORKSPACE_UNKNOWN',
      `Cannot export from "${vm.name}": no working tree was copied into it`,
      {
        hint: 'name the repository in the guest: --guest-path /root/repo',
      },
    );
  }
  context.progress.step('vm workspace', `exporting ${guestPath}`);
  const patch = exportWorkspace(client, vm.id, { guestPath, baseCommit: options.baseCommit, signal });
  let bytes = 0;
  const counted = (async function* () {
    for await (const chunk of patch) {
      context.progress.clear();
      bytes += chunk.length;
      yield chunk;
    }
  })();
  if (options.output === undefined) {
    await passText(counted, { sink: context.stdout, signal });
    if (bytes === 0) context.notice('there are no changes');
    return 0;
  }
  const output = resolve(context.io.cwd, options.output);
  await writeWhole(output, counted, context);
  if (options.json) await context.printJson({ guestPath, output, bytes } satisfies ExportReport);
  else context.notice(bytes === 0 ? 'there are no changes' : `${bytes} bytes in ${output}`);
  return 0;
}

function wrongOptions({
  baseCommit,
  output,
  json,
}: Invocation<typeof EXPORT_OPTIONS>['options']): AppError[] {
  const refuse = (code: string, message: string, hint: string): AppError =>
    new AppError(code, message, { hint });
  const found: AppError[] = [];
  if (baseCommit !== undefined && !/^[0-9a-f]{4,64}$/i.test(baseCommit)) {
    found.push(
      refuse(
        'USAGE_OPTION_VALUE',
        `Cannot use ${JSON.stringify(baseCommit)} for --base-commit: it is not a commit name`,
        'for example --base-commit "$(git rev-parse HEAD)"',
      ),
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
