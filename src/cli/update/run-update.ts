import { readFile } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError } from '../../base/errors.ts';
import { discardTree } from '../../base/files/discard.ts';
import { type FileLock, tryLock } from '../../base/files/file-lock.ts';
import { type Environment, resolvePaths } from '../../config/settings.ts';
import { deleteOthers, lockOf, placeRelease, stagingOf, sweepUpdates, switchTo } from './activate.ts';
import { handOver } from './hand-over.ts';
import { findInstallation, type Installation, requireWritable } from './installation.ts';
import { type ListedRelease, releaseIn } from './manifest.ts';
import { lookBefore, requireNothingInFlight, requireRecords, requireSavedGuests } from './preflight.ts';
import { ReleaseProgram } from './release-program.ts';
import { trustOf } from './signatures.ts';
import { fetchManifest, stageRelease, type TrustedSource } from './stage-release.ts';
import { compareVersions } from './version-order.ts';

/** What the user asked for. */
export interface UpdateRequest {
  isCheck: boolean;
  isDryRun: boolean;
  isForced: boolean;
  to?: string | undefined;
  manifestUrl?: string | undefined;
  publicKeyFile?: string | undefined;
}

/** The result of an update. */
export interface UpdateResult {
  outcome: 'available' | 'up-to-date' | 'dry-run' | 'updated';
  installed: string;
  /** the release that was asked for, or the latest */
  version: string;
}

/** What an update works with. */
export interface UpdateHost extends Abortable {
  env: Environment;
  home: string;
  /** the bundle of the command line that runs */
  programPath: string;
  step: (text: string) => void;
  notice: (text: string) => void;
  warn: (text: string) => void;
}

/**
 * Updates the installation that this program belongs to. Until its last step the installed release stays the
 * current one, whatever happens; a failure after the daemon was changed ends with the previous daemon.
 *
 * @throws {AppError} UPDATE_*, HOST_NO_SPACE
 */
export async function runUpdate(request: UpdateRequest, host: UpdateHost): Promise<UpdateResult> {
  const { signal } = host;
  const installation = await findInstallation(host.programPath, host);
  const source = await sourceOf(installation, request, host);
  host.step('reading the list of releases');
  const release = releaseIn(await fetchManifest(source, { signal }), request.to);
  const { version } = release;
  const { version: installed } = installation;
  const order = compareVersions(version, installed);
  if (order === 0 || (order < 0 && request.to === undefined)) {
    return { outcome: 'up-to-date', installed, version };
  }
  if (request.isCheck) return { outcome: 'available', installed, version };
  if (order < 0) requireWanted(request, { installed, version });
  await requireWritable(installation);
  using _lock = lockedUpdate(installation);
  await sweepUpdates(installation);
  const work = { installation, release, source };
  return { outcome: await update(work, request, host), installed, version };
}

interface UpdateWork {
  installation: Installation;
  release: ListedRelease;
  source: TrustedSource;
}

async function update(
  { installation, release, source }: UpdateWork,
  request: UpdateRequest,
  host: UpdateHost,
): Promise<'dry-run' | 'updated'> {
  const { env, signal, step, warn, notice } = host;
  const { version } = release;
  const folder = stagingOf(installation);
  const current = new ReleaseProgram(installation.root, { env });
  // A dry run says what would be refused, and what would end.
  const checks = { isForced: request.isForced || request.isDryRun, warn, signal };
  // The service of a host runs a copy of its own.
  const { isService } = resolvePaths(env);
  const hasDaemon = installation.scope === 'user' && !isService;
  try {
    if (hasDaemon) await requireNothingInFlight(current, checks);
    const staged = await stageRelease(release, { source, arch: installation.arch, folder, step, signal });
    if (hasDaemon) {
      step('checking records and saved guests');
      await requireRecords(staged, { notice, signal });
      await requireSavedGuests({ current, next: staged }, checks);
    }
    if (request.isDryRun) return 'dry-run';
    const root = await placeRelease(staged.root, installation, version);
    const commit = (): Promise<void> => switchTo(root, installation);
    if (!hasDaemon) {
      await commit();
      if (isService) notice('the services still run the previous release; next: sudo banger system install');
    } else {
      try {
        step('checking this host');
        const before = await lookBefore(current, { signal });
        // Downloading may have taken long.
        await requireNothingInFlight(current, checks);
        const next = new ReleaseProgram(root, { env });
        await handOver({ current, next, version, before, step }, { commit, signal });
      } catch (error) {
        // Its daemon may still be the one that runs.
        if (!isAppError(error, 'UPDATE_ROLLBACK_FAILED')) await discardTree(root);
        throw error;
      }
      await deleteOthers(installation, [version, installation.version]);
    }
    return 'updated';
  } finally {
    await discardTree(folder);
  }
}

async function sourceOf(
  { source, link }: Installation,
  { manifestUrl, publicKeyFile }: UpdateRequest,
  { env }: UpdateHost,
): Promise<TrustedSource> {
  const url = manifestUrl ?? source?.manifestUrl;
  const keys = publicKeyFile === undefined ? source?.keys : [await readFile(publicKeyFile, 'utf8')];
  if (url === undefined || keys === undefined || keys.length === 0) {
    throw new AppError(
      'UPDATE_NO_SOURCE',
      `Cannot update "${link}": it was built without a place for releases`,
      {
        hint: 'install a release with its install.sh',
      },
    );
  }
  const threshold = publicKeyFile === undefined ? (source?.threshold ?? 1) : 1;
  return { manifestUrl: url, trust: trustOf(keys, { threshold }), env };
}

function requireWanted(
  { isForced, to }: UpdateRequest,
  { installed, version }: { installed: string; version: string },
): void {
  if (isForced) return;
  throw new AppError(
    'UPDATE_DOWNGRADE',
    `Cannot update to ${version}: ${installed} is installed, which is newer`,
    {
      hint: `if you want the older one, with its known faults: banger update --to ${to} --force`,
      details: { installed, version },
    },
  );
}

function lockedUpdate(installation: Installation): FileLock {
  const held = tryLock(lockOf(installation));
  if (held) return held;
  throw new AppError('UPDATE_UNDER_WAY', 'Cannot update: another update is under way', {
    hint: 'wait until it has ended',
  });
}
