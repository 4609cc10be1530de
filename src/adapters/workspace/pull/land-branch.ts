import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { openStaging } from '../../../base/files/staging.ts';
import type { OpenBranchPull } from '../../../core/ports/workspace-pulls.ts';
import { refuseLinksOut } from '../git/git-folder-links.ts';
import { type HostRepository, locateRepository } from '../git/git-repository.ts';
import { quotePath } from '../git/staged-repository.ts';
import { requireNewName } from '../new-branch.ts';
import { CommitsFile, type CommitsHead } from './guest/commits-file.ts';

/** Largest pack that a guest may send, in `bytes`. */
const MAX_PACK_BYTES = 4 * 1024 ** 3;

/** Most memory that git may take at once for an object: a delta can say that its result is huge. */
const MAX_OBJECT_BYTES = 512 * 1024 ** 2;

const removal = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/**
 * Pulls commits into a new branch. The pack of the guest is first unpacked into an object folder of its own,
 * where git checks each object and that none is missing; only then do they become objects of the repository.
 * No hook of the repository is run, and no ref or setting is taken from the guest.
 */
export async function openBranchPull(
  root: string,
  { name, env, tempDir, signal }: Abortable & { name: string; env: NodeJS.ProcessEnv; tempDir: string },
): Promise<OpenBranchPull & AsyncDisposable> {
  const repository = await locateRepository(root, { env, signal });
  await refuseLinksOut(repository, { signal });
  await requireNewName({ repository }, name, { signal });
  const staging = await openStaging(tempDir, removal);
  const file = new CommitsFile(join(staging.dir, 'pack'), { maxBytes: MAX_PACK_BYTES });
  return {
    take: (chunk) => file.take(chunk),
    land: (options) => land(repository, { ...options, name, dir: staging.dir, ...file.end() }),
    async [Symbol.asyncDispose]() {
      file[Symbol.dispose]();
      await staging[Symbol.asyncDispose]();
    },
  };
}

async function land(
  repository: HostRepository,
  {
    name,
    dir,
    path,
    commit,
    isClean,
    signal,
  }: Abortable & CommitsHead & { name: string; dir: string; path: string },
): Promise<{ commit: string; commitCount: number; isComplete: boolean }> {
  const { git, commonDir } = repository;
  const objects = join(commonDir, 'objects');
  const quarantine = join(dir, 'objects');
  await mkdir(join(quarantine, 'pack'), { recursive: true, mode: 0o700 });
  const env = {
    GIT_OBJECT_DIRECTORY: quarantine,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(objects),
    GIT_ALLOC_LIMIT: String(MAX_OBJECT_BYTES),
  };
  const call = { signal, env };
  let commitCount: number;
  try {
    const limit = `--max-input-size=${MAX_PACK_BYTES}`;
    const args = [
      '-c',
      'core.bigFileThreshold=16m',
      'index-pack',
      '--strict',
      '--fix-thin',
      '--stdin',
      limit,
    ];
    await git.run(args, { ...call, input: createReadStream(path) });
    await git.run(['cat-file', '-e', `${commit}^{commit}`], call);
    await git.run(['rev-list', '--objects', '--quiet', commit, '--not', '--all'], call);
    const { stdout } = await git.run(['rev-list', '--count', commit, '--not', '--all'], call);
    commitCount = Number(stdout.toString('latin1'));
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    throw new AppError(
      'WORKSPACE_PULL_FAILED',
      'Cannot pull the commits of the guest: git does not accept their objects',
      { hint: 'nothing was changed', cause: error.cause },
    );
  }
  signal.throwIfAborted();
  await moveObjects(quarantine, objects);
  await makeBranch(repository, { name, commit, signal });
  return { commit, commitCount, isComplete: isClean };
}

/** Moves packs to the user's repository as git does: a pack counts once its `.idx` is there. */
async function moveObjects(quarantine: string, objects: string): Promise<void> {
  const from = join(quarantine, 'pack');
  const to = join(objects, 'pack');
  await mkdir(to, { recursive: true });
  const names = (await readdir(from)).filter((name) => /^pack-[0-9a-f]+\.(pack|rev|idx)$/.test(name));
  names.sort((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')));
  for (const name of names) {
    // Git's own cleaning deletes files with this prefix when we are killed here.
    const temporary = join(to, `tmp_banger_${name}`);
    await copyFile(join(from, name), temporary);
    await using file = await open(temporary, 'r');
    await file.sync();
    await rename(temporary, join(to, name));
  }
}

async function makeBranch(
  { git, root, objectFormat }: HostRepository,
  { name, commit, signal }: Abortable & { name: string; commit: string },
): Promise<void> {
  const nothing = '0'.repeat(objectFormat === 'sha256' ? 64 : 40);
  const { code } = await git.run(['update-ref', `refs/heads/${name}`, commit, nothing], {
    signal,
    okCodes: [0, 1, 128],
  });
  if (code === 0) return;
  throw new AppError(
    'WORKSPACE_BRANCH_REFUSED',
    `Cannot make the branch "${name}" in "${root}": git refused it`,
    {
      hint: 'choose another name: --branch NAME',
      details: { branch: name },
    },
  );
}
