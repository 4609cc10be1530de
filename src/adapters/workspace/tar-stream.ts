import { PassThrough, Readable } from 'node:stream';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError, isAppError, printable } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { exec, execStream, LONG_WORK_DEADLINE_MS, PROBE_DEADLINE_MS } from '../../base/process/exec.ts';
import { installHint } from '../../core/rules/host-packages.ts';
import { hostGitEnvironment } from './git/git-command.ts';

/** The content of a workspace's archive: two folders, each with a list of names inside it, ended by NUL. */
export interface TarContent {
  root: string;
  /** file with the names under `root` */
  rootList: string;
  stage: string;
  /**
   * names under `stage`; a folder stands for everything in it; read, and waited for, after everything under
   * `root`
   */
  stageList: Readable;
}

/** An archive being written. */
export interface TarStream {
  /** ends only when the archive is complete; otherwise it is destroyed with the error */
  tar: Readable;
  done: Promise<void>;
}

const WARNINGS_KEPT_BYTES = 4096;

/**
 * @throws {AppError} WORKSPACE_TAR_MISSING when there is no tar, or it is not GNU tar 1.29 (2016) or newer
 */
export async function requireTar(
  root: string,
  options: Abortable & { env: NodeJS.ProcessEnv },
): Promise<void> {
  const { signal, env } = options;
  let output: string;
  try {
    const call = { signal, cwd: '/', env: hostGitEnvironment(env), deadlineMs: PROBE_DEADLINE_MS };
    output = (await exec(['tar', '--version'], call)).stdout.toString('latin1');
  } catch (error) {
    if (!isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) throw error;
    throw tarMissing(root, { state: 'tar is not installed', cause: error });
  }
  const version = /^tar \(GNU tar\) (\d+)\.(\d+)/.exec(output);
  const isNewEnough = version && (Number(version[1]) > 1 || Number(version[2]) >= 29);
  if (!isNewEnough) throw tarMissing(root, { state: 'the tar of this host is not GNU tar 1.29 or newer' });
}

/**
 * Starts GNU tar. Stores root as the owner, keeps modes and modification times (to the `ns`), never follows
 * links, and stores files that share an inode separately. A file that changes while it is read is stored as
 * read, and logged.
 *
 * Errors, of `done` and of the stream: {AppError} WORKSPACE_TAR_MISSING; WORKSPACE_TAR_FAILED when a file
 * cannot be read or has been deleted.
 */
export function startTar(
  content: TarContent,
  options: Abortable & { env: NodeJS.ProcessEnv; log: Logger },
): TarStream {
  const { signal, env, log } = options;
  let warnings = '';
  const running = execStream(tarArgv(content), {
    signal,
    cwd: '/',
    env: hostGitEnvironment(env),
    input: content.stageList,
    deadlineMs: LONG_WORK_DEADLINE_MS,
    // Status 1: "some files differ", that is, a file changed while it was read.
    okCodes: [0, 1],
    onStderr: (chunk) => {
      warnings = (warnings + chunk.toString('utf8')).slice(-WARNINGS_KEPT_BYTES);
    },
  });
  const output = keepOutput(running.stdout);
  // For Node, a process has ended only when its output has been read, which nobody does after an abort.
  const listener = onAbort(signal, () => output.destroy(signal.reason));
  const done = running.done
    .then(
      () => {
        if (warnings) log.warn('workspace files changed while they were read', { tar: printable(warnings) });
      },
      (error: unknown) => {
        throw tarError(error, content.root);
      },
    )
    .finally(() => listener[Symbol.dispose]());
  done.catch(() => {});
  return { tar: Readable.from(throughTo(output, done), { objectMode: false }), done };
}

function tarArgv({ root, rootList, stage }: TarContent): [string, ...string[]] {
  return [
    ...(['tar', '--create', '--file=-', '--format=posix', '--pax-option=delete=atime,delete=ctime'] as const),
    ...['--owner=0', '--group=0', '--numeric-owner'],
    ...['--hard-dereference', '--null', '--no-unquote', '--verbatim-files-from'],
    ...['--no-recursion', `--directory=${root}`, `--files-from=${rootList}`],
    ...['--recursion', `--directory=${stage}`, '--files-from=-'],
  ];
}

/**
 * The output of a process for a reader that may start late: when a process exits, Node discards output that
 * nobody has begun to read. Destroying it closes the process's own output.
 */
function keepOutput(stdout: Readable): Readable {
  const kept = new PassThrough();
  kept.on('error', () => {});
  kept.on('close', () => stdout.destroy());
  stdout.on('error', (error) => kept.destroy(error));
  return stdout.pipe(kept);
}

/** Ends after `done`, so that a reader never mistakes a part for the whole. */
async function* throughTo(output: Readable, done: Promise<void>): AsyncGenerator<Buffer> {
  yield* output;
  await done;
}

function tarError(error: unknown, root: string): unknown {
  if (isAppError(error, 'EXEC_NOT_FOUND')) {
    return tarMissing(root, { state: 'tar is not installed', cause: error });
  }
  if (!isAppError(error, 'EXEC_FAILED')) return error;
  return new AppError('WORKSPACE_TAR_FAILED', `Cannot send "${root}": tar could not read all files`, {
    hint: 'if files were changing at the time, try again',
    cause: error,
  });
}

function tarMissing(root: string, { state, cause }: { state: string; cause?: unknown }): AppError {
  return new AppError('WORKSPACE_TAR_MISSING', `Cannot send "${root}": ${state}`, {
    hint: installHint(['tar'], 'GNU tar'),
    cause,
  });
}
