import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, messageOf } from '../../base/errors.ts';
import type { Paths } from '../../config/paths.ts';
import { findUnfitGuests } from '../../core/vms/recovery/unfit-saved.ts';
import type { BuildInfo } from '../../protocol/build-info.ts';
import type { Composition } from '../compose.ts';
import { DaemonLock } from '../daemon-lock.ts';
import { migrationsReport } from './migrations-report.ts';
import type { OfflineRecords } from './offline-records.ts';

/** What `bangerd` does instead of serving. An update asks the daemon of the new release for it. */
export const OFFLINE_WORDS = [
  '--version',
  '--check-migrations',
  '--check-saved-guests',
  '--restore-records',
] as const;
export type OfflineWord = (typeof OFFLINE_WORDS)[number];

/** What {@link runOffline} works with. */
export interface OfflineHost extends Abortable {
  paths: Paths;
  build: BuildInfo;
  /** constructs the parts of a daemon with these records */
  compose: (recordsFile: string) => Composition;
  records: OfflineRecords;
}

/** What a program prints, and its exit status. */
export interface Printed {
  status: number;
  text: string;
}

/**
 * Does one of {@link OFFLINE_WORDS}. All but `--restore-records` work beside a running daemon and change
 * nothing.
 */
export async function runOffline(word: OfflineWord, host: OfflineHost): Promise<Printed> {
  const { paths, build, records } = host;
  switch (word) {
    case '--version': {
      const { version, commit, builtAt } = build;
      return { status: 0, text: `bangerd ${version} (commit ${commit.slice(0, 12)}, built ${builtAt})` };
    }
    case '--check-migrations':
      return checkMigrations(paths, records);
    case '--check-saved-guests':
      return { status: 0, text: JSON.stringify(await unfitGuests(host)) };
    case '--restore-records':
      return restore(paths, records);
    default:
      return word satisfies never;
  }
}

function checkMigrations({ recordsFile }: Paths, records: OfflineRecords): Printed {
  try {
    return migrationsReport(records.check(recordsFile));
  } catch (error) {
    return { status: 2, text: `incompatible: ${messageOf(error)}` };
  }
}

/** Works on a copy, because opening the records would migrate them. */
async function unfitGuests({
  paths,
  records,
  compose,
  signal,
}: OfflineHost): Promise<{ count: number; unfit: { name: string; problem: string }[] }> {
  await mkdir(paths.cacheDir, { recursive: true });
  const folder = await mkdtemp(join(paths.cacheDir, 'check-'));
  try {
    const copy = join(folder, 'records.sqlite');
    if (!records.copy(paths.recordsFile, copy)) return { count: 0, unfit: [] };
    using composition = compose(copy);
    return await findUnfitGuests(composition.world, { signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function restore(paths: Paths, records: OfflineRecords): Printed {
  // Without a database there is no folder for the lock either.
  if (migrationsReport(records.check(paths.recordsFile)).status !== 2)
    return { status: 0, text: 'nothing to restore' };
  using lock = DaemonLock.take(paths);
  if (!lock) {
    throw new AppError('DAEMON_RUNS', 'Cannot restore the records: a daemon uses them', {
      hint: 'banger daemon stop',
    });
  }
  const copy = records.restore(paths.recordsFile);
  return copy === undefined
    ? { status: 0, text: 'nothing to restore' }
    : { status: 0, text: `restored: ${copy}` };
}
