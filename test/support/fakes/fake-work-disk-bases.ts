import { createWriteStream, statSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../../src/base/errors.ts';
import { UseCounts } from '../../../src/base/use-counts.ts';
import type {
  BaseRequest,
  StoredBase,
  UsableBase,
  WorkDiskBases,
} from '../../../src/core/ports/work-disk-bases.ts';

interface MadeBase extends StoredBase {
  dir: string;
  place: string;
  usedAt: number;
  about: Pick<UsableBase, 'file' | 'sentDir' | 'sentCommit' | 'headCommit'>;
}

/**
 * Base images that are archives with holes at their end: no guest can mount them. They last as long as this
 * process.
 */
export function fakeWorkDiskBases(basesDir: string): WorkDiskBases {
  const made = new Map<string, MadeBase>();
  const replaced: MadeBase[] = [];
  const uses = new UseCounts();
  let clock = 0;

  let tidying = Promise.resolve();
  const removeReplaced = async (): Promise<void> => {
    for (const base of replaced.filter(({ dir }) => !uses.has(dir))) {
      replaced.splice(replaced.indexOf(base), 1);
      await rm(base.dir, { recursive: true, force: true });
    }
  };
  const tidy = (): Promise<void> => {
    tidying = tidying.then(removeReplaced);
    return tidying;
  };
  const byUse = (): MadeBase[] => [...made.values()].sort((a, b) => b.usedAt - a.usedAt);
  const stored = ({ dir: _, place: __, usedAt: ___, about: ____, ...base }: MadeBase): StoredBase => base;

  return {
    async ofTree(path) {
      const base = byUse().find(({ repoRoot }) => `${path}/`.startsWith(`${repoRoot}/`));
      if (!base || placeOf(base.repoRoot) !== base.place) return undefined;
      return { ...stored(base), ...base.about };
    },
    async use(request, { signal }) {
      signal.throwIfAborted();
      const base = made.get(keyOf(request, placeOf(request.repoRoot)));
      if (!base) return undefined;
      clock += 1;
      base.usedAt = clock;
      base.lastUsedAt = new Date().toISOString();
      const held = uses.hold(base.dir);
      return {
        ...stored(base),
        ...base.about,
        async copySent(dir) {
          await rm(dir, { recursive: true, force: true });
          for (const name of (await readdir(base.dir)).filter((each) => each.startsWith('sent'))) {
            const to = dir + name.slice('sent'.length);
            await mkdir(to);
            await cp(join(base.dir, name), to, { recursive: true });
          }
        },
        [Symbol.dispose]: () => {
          held[Symbol.dispose]();
          void tidy();
        },
      };
    },
    async make(request, { packed, signal }) {
      const place = placeOf(request.repoRoot);
      if (place === undefined)
        throw new AppError('WORKSPACE_BASE_FAILED', 'Cannot make a base image: no folder');
      await mkdir(basesDir, { recursive: true, mode: 0o700 });
      const dir = await mkdtemp(join(basesDir, 'base-'));
      try {
        const file = join(dir, 'disk');
        const sentDir = join(dir, 'sent');
        const keeping = packed.keep(sentDir);
        await pipeline(packed.tar, createWriteStream(file), { signal }).finally(() =>
          keeping.catch(() => {}),
        );
        await packed.done;
        const { size, blocks } = statSync(file);
        if (size > request.diskSizeBytes)
          throw new AppError('WORKSPACE_BASE_FAILED', 'Cannot make a base image: full');
        await truncate(file, request.diskSizeBytes);
        await chmod(file, 0o400);
        const sentCommit = await keeping;
        if (sentCommit === undefined)
          throw new AppError('WORKSPACE_BASE_FAILED', 'Cannot make a base image: git');
        signal.throwIfAborted();
        const key = keyOf(request, place);
        const now = new Date().toISOString();
        const { repoRoot, image, diskSizeBytes } = request;
        const { headCommit } = packed.summary;
        const former = made.get(key);
        clock += 1;
        made.set(key, {
          ...{ key, repoRoot, imageName: image.name, diskSizeBytes, diskBytes: blocks * 512 },
          ...{ createdAt: now, lastUsedAt: now, dir, place, usedAt: clock },
          about: { file, sentDir, sentCommit, ...(headCommit === undefined ? {} : { headCommit }) },
        });
        if (former) replaced.push(former);
        await tidy();
      } catch (error) {
        await rm(dir, { recursive: true, force: true });
        throw error;
      }
    },
    list: async () => byUse().map(stored),
    async prune({ maxBytes, isDryRun = false }) {
      const gone: StoredBase[] = [];
      let total = byUse().reduce((sum, { diskBytes }) => sum + diskBytes, 0);
      for (const base of byUse().reverse()) {
        const isOrphan = placeOf(base.repoRoot) !== base.place;
        if ((!isOrphan && total <= maxBytes) || uses.has(base.dir)) continue;
        total -= base.diskBytes;
        gone.push(stored(base));
        if (isDryRun) continue;
        made.delete(base.key);
        const aside = `${base.dir}.gone`;
        await rename(base.dir, aside);
        await rm(aside, { recursive: true, force: true });
      }
      return gone;
    },
    sweep: tidy,
  };
}

function placeOf(root: string): string | undefined {
  const found = statSync(root, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

function keyOf({ repoRoot, folder, content, image, diskSizeBytes }: BaseRequest, place?: string): string {
  const { includeUntracked = false, mode, noSubmodules = false } = content;
  const choice = [includeUntracked, mode === 'full_copy', noSubmodules];
  return JSON.stringify([repoRoot, place, folder, ...choice, image.id, diskSizeBytes]);
}
