import { createHash } from 'node:crypto';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { BuildDockerfileRequest } from '../../../protocol/api/image.ts';
import type { Task } from '../../../protocol/events.ts';
import type { GuestStats } from '../../../protocol/guest.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import type { KeptArchive } from '../../ports/images/build-files.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import { AGENT_DEADLINES_MS } from '../../vms/guest/agent-deadlines.ts';
import { whileRunning } from '../../vms/while-running.ts';
import { addImage } from '../add-image.ts';
import { baseImages } from './base-images.ts';
import { buildInGuest, type ReadyBuild } from './build-in-guest.ts';
import { type BuilderWorld, CACHE_DISK_BYTES, startBuilder, stopBuilder } from './builder-vm.ts';
import { findBase } from './find-bases.ts';

/** The key of the turn that builds take, one after another. */
const BUILDS = 'builds';

/** Share of the cache's disk that may be used when the next build begins with it. */
const MAX_USED_SHARE = 0.75;

/** Most secrets of a build. */
const MAX_SECRETS = 32;

/**
 * Builds a Dockerfile in a VM of its own, and makes an image of the result. No step runs on this host. Builds
 * run one after another. After a failure or an abort there is no image, and nothing of the build is left but
 * layers in the cache, and the images that it begins with.
 *
 * @throws {AppError} IMAGE_CONTEXT_*, IMAGE_DOCKERFILE_INVALID, IMAGE_SECRET_INVALID, IMAGE_NO_LAYERS before
 * anything is made; IMAGE_BUILD_FAILED when a step fails; what starting a VM, pulling and `ImageStore.add`
 * throw.
 */
export async function buildDockerfile(
  world: BuilderWorld,
  request: BuildDockerfileRequest,
  task: Task,
): Promise<StoredImage> {
  const { report, signal } = task;
  const { dockerfile, context, name, platform, nat = false } = request;
  requireOwnPlatform(world, platform);
  const build = await readBuild(world, request, task);
  const contentKey = request.reuse ? await contentKeyOf(world, build, task) : undefined;
  const same = contentKey === undefined ? undefined : await builtBefore(world, { name, contentKey });
  if (same) return same;
  if (world.building.isBusy(BUILDS)) {
    report({ event: 'notice', message: 'another build is running; this one begins after it' });
  }
  const run = (): Promise<KeptArchive> => runBuild(world, build, { nat, report, signal });
  await using archive = await world.building.run(BUILDS, run, { signal });
  const { kernel, force } = request;
  const choice = {
    name,
    ...(kernel === undefined ? {} : { kernel }),
    ...(force === undefined ? {} : { force }),
  };
  const origin = {
    ...({ kind: 'dockerfile', dockerfile, context } as const),
    ...(contentKey === undefined ? {} : { contentKey }),
  };
  return await addImage(world, { ...choice, origin, archive: archive.path }, { report, signal });
}

/** Everything that a build needs, on this host: nothing else can go wrong before the builder starts. */
async function readBuild(
  world: BuilderWorld,
  {
    dockerfile,
    context: dir,
    buildArgs: given = [],
    target,
    secrets = [],
    noCache = false,
  }: BuildDockerfileRequest,
  { report, signal }: Task,
): Promise<ReadyBuild> {
  report({ event: 'progress', stage: 'context', detail: dir });
  if (secrets.length > MAX_SECRETS) throw tooManySecrets(secrets.length);
  const context = await world.buildFiles.openContext({ dockerfile, context: dir }, { signal });
  const buildArgs = Object.fromEntries(given.map(({ name, value }) => [name, value]));
  const choice = { buildArgs, arch: world.images.arch, ...(target === undefined ? {} : { target }) };
  const names = baseImages(context.dockerfile, choice);
  const contents = [];
  for (const { id, path } of secrets) {
    contents.push({ id, content: await world.buildFiles.readSecret(path) });
  }
  const bases = [];
  for (const name of names) bases.push(await findBase(world, name, { report, signal }));
  return {
    context,
    bases,
    secrets: contents,
    buildArgs,
    target,
    noCache,
    maxResultBytes: CACHE_DISK_BYTES,
  };
}

async function runBuild(
  world: BuilderWorld,
  build: ReadyBuild,
  { nat, report, signal }: Task & { nat: boolean },
): Promise<KeptArchive> {
  const builder = await startBuilder(world, { nat, report, signal });
  const { id } = builder.record;
  // The guest writes to a thin disk: what counts is what its file system says.
  let clearsCache = false;
  try {
    return await whileRunning(
      builder.running,
      async (inner) => {
        const options = { ...inner, helloDeadlineMs: AGENT_DEADLINES_MS.stream };
        const agent = await world.live.agent(id, options);
        const archive = await buildInGuest(agent, build, {
          ...inner,
          report,
          files: world.buildFiles,
          log: world.log,
        });
        clearsCache = isNearlyFull(await agent.stats(inner));
        return archive;
      },
      { signal, what: 'build the Dockerfile' },
    );
  } finally {
    if (clearsCache) {
      report({ event: 'notice', message: 'the cache of builds is full: the next build begins without it' });
    }
    await stopBuilder(world, builder, { clearsCache, report });
  }
}

/** A digest of everything that decides what a build makes, the network and the time excepted. */
async function contentKeyOf(
  { images }: Pick<BuilderWorld, 'images'>,
  { context, bases, buildArgs, target, secrets }: ReadyBuild,
  { report, signal }: Task,
): Promise<string> {
  report({ event: 'progress', stage: 'context', detail: 'comparing' });
  const facts = {
    arch: images.arch,
    dockerfile: context.dockerfile,
    files: await context.digest({ signal }),
    bases: bases.map(({ tag, manifestDigest }) => [tag, manifestDigest]),
    buildArgs: Object.entries(buildArgs).sort(),
    target,
    secrets: secrets.map(({ id }) => id),
  };
  return `sha256:${createHash('sha256').update(JSON.stringify(facts)).digest('hex')}`;
}

async function builtBefore(
  { images }: Pick<BuilderWorld, 'images'>,
  { name, contentKey }: { name: string; contentKey: string },
): Promise<StoredImage | undefined> {
  try {
    const image = await images.get(name);
    const { origin } = image.provenance;
    return origin.kind === 'dockerfile' && origin.contentKey === contentKey ? image : undefined;
  } catch (error) {
    if (isAppError(error, 'IMAGE_NOT_FOUND', 'IMAGE_DAMAGED')) return undefined;
    throw error;
  }
}

function requireOwnPlatform(
  { images }: Pick<BuilderWorld, 'images'>,
  wanted: BuildDockerfileRequest['platform'],
): void {
  const own = platformOf(images.arch);
  if (wanted === undefined || wanted === own) return;
  throw new AppError(
    'IMAGE_PLATFORM_MISSING',
    `Cannot build a Dockerfile for ${wanted}: this host builds for ${own}`,
    {
      hint: 'build it on a host of that architecture, and import the result',
      details: { platform: wanted },
    },
  );
}

function isNearlyFull({ disks }: GuestStats): boolean {
  const cache = disks.find(({ mount }) => mount === '/root');
  return cache !== undefined && cache.usedBytes > MAX_USED_SHARE * cache.totalBytes;
}

function tooManySecrets(count: number): AppError {
  return new AppError(
    'IMAGE_SECRET_INVALID',
    `Cannot use ${count} secrets: a build has at most ${MAX_SECRETS}`,
  );
}
