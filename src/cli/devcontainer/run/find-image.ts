import { createHash } from 'node:crypto';
import { posix, relative } from 'node:path';
import { isAppError } from '../../../base/errors.ts';
import { type JsonValue, parseJsonc } from '../../../base/text/jsonc.ts';
import type { Image } from '../../../protocol/api/image.ts';
import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import { archOfPlatform, imageNameFor } from '../../../protocol/image/platform.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type DevcontainerConfig, type DockerfileBuild, emptyConfig, mergeConfigs } from '../config.ts';
import { isObject } from '../keys/key.ts';
import type { Devcontainer } from '../load.ts';
import { readMetadata } from '../read-fields.ts';

/** Label of progress steps. */
const LABEL = 'devcontainer';

/** Label of images with what their maker wants of a `devcontainer.json`. */
const METADATA_LABEL = 'devcontainer.metadata';

/** Most entries of that label: one for each step in which an image was made. */
const MAX_ENTRIES = 100;

/** What a VM is asked for, as far as it concerns its image. */
export type ImageWish = Pick<CreateVmRequest, 'platform' | 'nat'>;

/**
 * Finds what the VM boots: builds the Dockerfile, unless an image was built of the same content, or pulls the
 * image if it is not here yet.
 *
 * @throws {AppError} what building and pulling throw.
 */
export async function findImage(
  { config, repoRoot, shownFile }: Devcontainer,
  { wish, client, context }: { wish: ImageWish; client: BangerClient; context: CommandContext },
): Promise<Image> {
  const { signal } = context;
  const { build, image = '' } = config;
  const platform = wish.platform === undefined ? {} : { platform: wish.platform };
  if (build) {
    context.progress.step(LABEL, `building ${relative(repoRoot, build.dockerfile)}`);
    const request = { ...buildRequest(build, { repoRoot, shownFile }), ...platform };
    const nat = wish.nat ? { nat: true } : {};
    return await context.follow(client.buildDockerfile({ ...request, ...nat }, { signal }), LABEL);
  }
  try {
    return await client.showImage(nameOf(image, wish), { signal });
  } catch (error) {
    if (!isAppError(error, 'IMAGE_NOT_FOUND')) throw error;
  }
  if (image === (await context.settings()).defaultImage) {
    return await context.follow(client.buildImage(image, platform, { signal }), LABEL);
  }
  context.notice(`image "${image}" is not here yet: pulling it`);
  return await context.follow(client.pullImage({ reference: image, ...platform }, { signal }), LABEL);
}

/** What the image itself asks for. Entries that cannot be read are left out. */
export function metadataOf(
  { config = {} }: Pick<Image, 'config'>,
  withVariables: (value: JsonValue) => JsonValue,
): DevcontainerConfig {
  const label = config.labels?.[METADATA_LABEL];
  const parsed = typeof label === 'string' ? parseJsonc(label) : { problem: 'there is none' };
  if ('problem' in parsed) return emptyConfig();
  const { value } = parsed;
  const entries: readonly JsonValue[] = Array.isArray(value)
    ? value.slice(0, MAX_ENTRIES)
    : [value as JsonValue];
  return entries
    .map((entry) => withVariables(entry))
    .filter(isObject)
    .map(readMetadata)
    .reduce(mergeConfigs, emptyConfig());
}

/** What is asked of a build. A new build takes over the name of the last one. */
function buildRequest(
  { dockerfile, context, args, target }: DockerfileBuild,
  file: Pick<Devcontainer, 'repoRoot' | 'shownFile'>,
) {
  const buildArgs = Object.entries(args).map(([name, value]) => ({ name, value }));
  return {
    dockerfile,
    context,
    name: builtName(file),
    ...(buildArgs.length > 0 ? { buildArgs } : {}),
    ...(target === undefined ? {} : { target }),
    reuse: true,
    force: true,
  };
}

/** The name of the image that is built for a file: each has its own, and another one for each `part`. */
export function builtName(
  { repoRoot, shownFile }: Pick<Devcontainer, 'repoRoot' | 'shownFile'>,
  part?: string,
): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([repoRoot, shownFile, ...(part === undefined ? [] : [part])]))
    .digest('hex')
    .slice(0, 10);
  const slug = posix
    .basename(repoRoot)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 30);
  return `devcontainer-${slug}-${hash}`;
}

function nameOf(image: string, { platform }: ImageWish): string {
  if (platform === undefined) return image;
  const hostArch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  return imageNameFor(image, { arch: archOfPlatform(platform), hostArch });
}
