import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno, messageOf } from '../../../base/errors.ts';
import { execStream, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import { IgnoreRules } from '../../../core/images/dockerfile/ignore-rules.ts';
import type { BuildContext, ContextPlaces } from '../../../core/ports/images/build-files.ts';
import {
  CONTEXT_LIMITS,
  type ContextLimits,
  contextInvalid,
  contextTooLarge,
  MAX_TEXT_BYTES,
} from './context-limits.ts';
import { limitBytes } from './limit-bytes.ts';
import { listContext } from './list-context.ts';

/** What a tar has besides the files, for each entry: headers, long names, padding. */
const OVERHEAD_BYTES = 4 * 1024;

/** How a context is opened. */
export interface OpenContextOptions extends Abortable {
  /** environment of system tools */
  env: NodeJS.ProcessEnv;
  limits?: ContextLimits;
}

/**
 * Reads a Dockerfile and lists its context. `<Dockerfile>.dockerignore` takes the place of the context's own
 * `.dockerignore`.
 *
 * @throws {AppError} IMAGE_CONTEXT_INVALID, IMAGE_CONTEXT_TOO_LARGE.
 */
export async function openContext(
  { dockerfile, context }: ContextPlaces,
  { env, limits = CONTEXT_LIMITS, signal }: OpenContextOptions,
): Promise<BuildContext> {
  const text = await readText(dockerfile);
  if (text === undefined) throw contextInvalid(dockerfile, 'there is no such Dockerfile');
  await requireFolder(context);
  const ignored =
    (await readText(`${dockerfile}.dockerignore`)) ?? (await readText(join(context, '.dockerignore'))) ?? '';
  const { paths, sizeBytes } = await listContext(context, {
    rules: IgnoreRules.parse(ignored),
    limits,
    signal,
  });
  return {
    dockerfile: text,
    entryCount: paths.length,
    sizeBytes,
    tar: (options) => packContext(context, { paths, limits, env, signal: options.signal }),
    digest: async (options) => {
      const tar = packContext(context, { paths, limits, env, signal: options.signal, isTimeless: true });
      const hash = createHash('sha256');
      for await (const chunk of tar) hash.update(chunk as Buffer);
      return `sha256:${hash.digest('hex')}`;
    },
  };
}

function packContext(
  dir: string,
  {
    paths,
    limits,
    env,
    signal,
    isTimeless = false,
  }: OpenContextOptions & { paths: readonly Buffer[]; limits: ContextLimits; isTimeless?: boolean },
): Readable {
  const list = Readable.from(paths.map((path) => Buffer.concat([Buffer.from('./'), path, Buffer.from([0])])));
  const running = execStream(
    [
      'tar',
      ...['--create', '--file=-', '--format=posix', '--no-recursion'],
      // The same files make the same archive: by default, names of headers have the number of the process.
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
      ...(isTimeless ? ['--mtime=@0'] : []),
      ...['--owner=0', '--group=0', '--numeric-owner', '--hard-dereference'],
      ...['--null', '--verbatim-files-from', `--directory=${dir}`, '--files-from=-'],
    ],
    { signal, env, cwd: '/', input: list, deadlineMs: LONG_WORK_DEADLINE_MS, okCodes: [0, 1] },
  );
  const maxBytes = limits.maxBytes + OVERHEAD_BYTES * (paths.length + 16);
  const bounded = limitBytes(maxBytes, () => contextTooLarge(dir, limits));
  const output = new PassThrough();
  void (async () => {
    try {
      await pipeline(running.stdout, bounded, output, { end: false });
      await running.done;
      output.end();
    } catch (error) {
      running.done.catch(() => {});
      output.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    }
  })();
  return output;
}

/** The text of a small file; `undefined` when there is none. */
async function readText(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_TEXT_BYTES) throw contextInvalid(path, `it is larger than ${MAX_TEXT_BYTES} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TEXT_BYTES), 0, MAX_TEXT_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (isErrno(error, 'EACCES', 'EPERM', 'EISDIR', 'ELOOP'))
      throw contextInvalid(path, messageOf(error), error);
    throw error;
  }
}

async function requireFolder(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
  }
  throw contextInvalid(path, 'it is no folder');
}
