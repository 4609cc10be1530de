import { mkdir, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { AppError, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import type { CopyLimits } from './copy-limits.ts';
import { isGitName } from './git-rules.ts';
import type { LeftOut } from './left-out.ts';
import { type PackCount, packHost } from './pack-host.ts';
import type { CopyPlaces, Place } from './place.ts';
import { receiveFile } from './receive-file.ts';
import { type CopySource, copyTarget, nameOf, type PathKind } from './target.ts';
import { unpackHost } from './unpack-host.ts';

/** What was copied. Fields are added, never changed. */
export interface CopyReport {
  /** files, directories and links */
  entries: number;
  /** total size of the files' content */
  bytes: number;
  /** files that are never copied: sockets and devices of this host; out of a guest, also fifos */
  skipped: number;
  /** what was left out of a copy to this host because git could run it; at most the first hundred */
  leftOut: readonly LeftOut[];
  leftOutCount: number;
}

/** Options of a copy out of a guest. */
export interface CopyChoices {
  limits: CopyLimits;
  /** whether to also copy what git could run on this host */
  takesAll: boolean;
}

interface Copier {
  client: BangerClient;
  context: CommandContext;
  choices: CopyChoices;
}

/** The part of a report that is empty unless git could run something. */
const NOTHING_LEFT = { leftOut: [], leftOutCount: 0 } as const;

/** The parts of a {@link Copier} that inspecting a guest needs. */
type Looker = Pick<Copier, 'client' | 'context'>;

type GuestPlace = Extract<Place, { kind: 'guest' }>;

/**
 * Copies from one side to the other. After a failure, what was copied so far stays; each file is either
 * complete or absent. Returns `undefined` when the archive itself goes to stdout.
 *
 * @throws {AppError} COPY_*, TAR_DAMAGED, VM_NOT_FOUND, VM_NOT_RUNNING, GUEST_*.
 */
export async function copy({ from, to }: CopyPlaces, copier: Copier): Promise<CopyReport | undefined> {
  if (from.kind === 'guest') {
    if (to.kind === 'stream') return await toStream(from, copier);
    return await toHost(from, { ...copier, target: to.path });
  }
  if (to.kind !== 'guest') return undefined;
  return from.kind === 'stream' ? await fromStream(to, copier) : await toGuest(from.path, to, copier);
}

async function toStream(from: GuestPlace, { client, context }: Looker): Promise<undefined> {
  if (context.stdout.isTerminal) {
    throw new AppError('USAGE_ARGUMENTS', 'Cannot write an archive to a terminal', {
      hint: `for example: banger vm cp ${from.ref}:${from.path} - | tar t`,
    });
  }
  const { signal } = context;
  const source = await guestSource(from, { client, context });
  const as = isContent(source) ? '' : nameOf(from.path);
  const tar = client.readFromGuest(from.ref, from.path, { signal, ...(as === '' ? {} : { as }) });
  for await (const chunk of tar) await context.stdout.write(chunk, { signal });
  return undefined;
}

async function fromStream(to: GuestPlace, { client, context }: Looker): Promise<CopyReport> {
  const { signal } = context;
  if ((await kindInGuest(to, { client, context })) !== 'directory') {
    throw new AppError(
      'COPY_TARGET_INVALID',
      `Cannot unpack an archive at "${to.path}": it is not a directory`,
      {
        hint: 'name a directory that exists in the VM',
      },
    );
  }
  const unpacked = await client.writeToGuest(to.ref, to.path, { tar: context.io.stdin, signal });
  return { ...unpacked, skipped: 0, ...NOTHING_LEFT };
}

async function toGuest(given: string, to: GuestPlace, { client, context }: Looker): Promise<CopyReport> {
  const { signal } = context;
  const path = onHost(given, context);
  const kind = await kindOnHost(path);
  if (kind === 'missing' || kind === 'other') throw noSource(given, kind);
  const source: CopySource = { path: keepDot(path, given), kind };
  const target = await copyTarget(source, to.path, (path) =>
    kindInGuest({ ...to, path }, { client, context }),
  );
  const count: PackCount = { skipped: 0 };
  const packed =
    target.kind === 'file'
      ? ({ kind: 'file', path, name: target.name } as const)
      : ({ kind: 'directory', path } as const);
  const tar = packHost(packed, { signal, count });
  const unpacked = await client.writeToGuest(to.ref, target.dir, { tar, signal });
  return { ...unpacked, skipped: count.skipped, ...NOTHING_LEFT };
}

async function toHost(
  from: GuestPlace,
  { client, context, choices, target: given }: Copier & { target: string },
): Promise<CopyReport> {
  const { signal } = context;
  const source = await guestSource(from, { client, context });
  const path = onHost(given, context);
  const target = await copyTarget(source, path, kindOnHost);
  const tar = client.readFromGuest(from.ref, from.path, { signal, marksHoles: true });
  const umask = process.umask();
  const { limits, takesAll } = choices;
  if (target.kind === 'file') {
    const file = posix.join(target.dir, target.name);
    if (!takesAll && isGitName(target.name)) throw leadsGit(file);
    const bytes = await receiveFile(tar, { path: file, umask, limits, signal });
    return { entries: 1, bytes, skipped: 0, ...NOTHING_LEFT };
  }
  const isNew = await makeDirectory(target.dir);
  return await unpackHost(tar, { dir: target.dir, isNew, umask, limits, takesAll, signal });
}

async function guestSource(from: GuestPlace, copier: Looker): Promise<CopySource> {
  const kind = await kindInGuest(from, copier);
  if (kind === 'missing' || kind === 'other') throw noSource(`${from.ref}:${from.path}`, kind);
  return { path: from.path, kind };
}

async function kindInGuest({ ref, path }: GuestPlace, { client, context }: Looker): Promise<PathKind> {
  try {
    return (await client.statInGuest(ref, path, { signal: context.signal })).kind;
  } catch (error) {
    if (isAppError(error, 'GUEST_PATH_NOT_FOUND')) return 'missing';
    throw error;
  }
}

async function kindOnHost(path: string): Promise<PathKind> {
  try {
    const found = await stat(path);
    if (found.isFile()) return 'file';
    return found.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'missing';
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new AppError('COPY_FAILED', `Cannot inspect "${path}": ${messageOf(error)}`, { cause: error });
  }
}

/** Returns false when it already existed. */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST') && (await kindOnHost(path)) === 'directory') return false;
    throw new AppError('COPY_FAILED', `Cannot make "${path}": ${messageOf(error)}`, { cause: error });
  }
}

function onHost(given: string, { io }: CommandContext): string {
  return posix.isAbsolute(given) ? given : posix.join(io.cwd, given);
}

/** Joining paths drops a trailing `/.`, which means that only the content is copied. */
function keepDot(joined: string, given: string): string {
  return /(^|\/)\.\/*$/.test(given) ? posix.join(joined, '/').concat('.') : joined;
}

function isContent({ path, kind }: CopySource): boolean {
  return kind === 'directory' && /(^|\/)\.\/*$/.test(path);
}

/** A file `.git` names the folder that git then uses, and the guest may have made that folder. */
function leadsGit(path: string): AppError {
  return new AppError(
    'COPY_REFUSED',
    `Cannot copy to "${path}": git would use the folder that this file names`,
    {
      hint: 'give it another name, or add --all',
    },
  );
}

function noSource(shown: string, kind: 'missing' | 'other'): AppError {
  return kind === 'missing'
    ? new AppError('COPY_SOURCE_NOT_FOUND', `Cannot copy "${shown}": it does not exist`, {
        hint: 'VM:PATH names a file of a VM, and anything else one of this host',
      })
    : new AppError('COPY_SOURCE_INVALID', `Cannot copy "${shown}": it is neither a file nor a directory`);
}
