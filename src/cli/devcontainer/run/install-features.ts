import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryDir } from '../../../config/settings.ts';
import type { Image } from '../../../protocol/api/image.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type DevcontainerConfig, mergeConfigs } from '../config.ts';
import { type FeatureBase, writeBuildContext } from '../features/build-context.ts';
import { type Feature, type FeatureWish, isArtifactRef, isLocal } from '../features/feature.ts';
import { findLocalFeature, readFeatureFolder } from '../features/local-feature.ts';
import { readLockFile } from '../features/lock-file.ts';
import { invalid, orderFeatures } from '../features/order.ts';
import type { Devcontainer } from '../load.ts';
import { readMetadata } from '../read-fields.ts';
import { builtName, type ImageWish, metadataOf } from './find-image.ts';

/** Label of progress steps. */
const LABEL = 'devcontainer';

/** What is needed to find features and to install them. */
export interface FeatureMaking {
  wish: ImageWish;
  client: BangerClient;
  context: CommandContext;
}

/** Features whose files are on this host until this is disposed of. */
export interface FoundFeatures extends AsyncDisposable {
  /** in the order in which they are installed */
  features: readonly Feature[];
  /** folder for what is made of them; undefined when there are none */
  dir?: string;
}

/**
 * Finds the features of a file with all that they depend on. Those of a registry are fetched, with the digest
 * of the lock file if there is one. Nothing of them runs.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID; REGISTRY_* and what else fetching throws.
 */
export async function findFeatures(
  { config, repoRoot, file }: Devcontainer,
  { client, context }: FeatureMaking,
): Promise<FoundFeatures> {
  const { features: wishes = [], featureOrder = [] } = config;
  if (wishes.length === 0) return { features: [], async [Symbol.asyncDispose]() {} };
  const place = { repoRoot, configDir: dirname(file) };
  const locked = readLockFile({ file, repoRoot });
  const dir = await mkdtemp(join(temporaryDir(context.io.env), 'banger-features-'));
  const remove = async (): Promise<void> => await rm(dir, { recursive: true, force: true });
  let count = 0;
  const fetch = async (wish: FeatureWish): Promise<Feature | string> => {
    if (!isArtifactRef(wish.ref)) return 'it says no registry';
    count += 1;
    const to = join(dir, `fetched-${count}`);
    await mkdir(to);
    context.progress.step(LABEL, `fetching the feature ${wish.ref}`);
    const request = { reference: locked.get(wish.ref) ?? wish.ref, dir: to };
    await context.follow(client.fetchArtifact(request, { signal: context.signal }), LABEL);
    return readFeatureFolder(wish, to);
  };
  const load = async (wish: FeatureWish): Promise<Feature> => {
    const found = isLocal(wish.ref) ? findLocalFeature(wish, place) : await fetch(wish);
    if (typeof found === 'string') throw invalid(`"${wish.ref}": ${found}`, { feature: wish.ref });
    return found;
  };
  try {
    const features = await orderFeatures(wishes, { load, override: featureOrder });
    return { features, dir, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Makes an image of `base` with the features, unless one was made of the same content. Their scripts run in
 * the builder VM, and nothing of them on this host. Returns `base` when there are none.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID; what building throws.
 */
export async function installFeatures(
  base: Image,
  { features, dir }: FoundFeatures,
  { devcontainer, wish, client, context }: FeatureMaking & { devcontainer: Devcontainer },
): Promise<Image> {
  if (dir === undefined) return base;
  for (const { ref, metadata } of features) {
    if (metadata.ignored.length > 0) {
      context.notice(`feature ${ref}: without effect here: ${metadata.ignored.join(', ')}`);
    }
  }
  const names = features.map(({ metadata }) => metadata.id).join(', ');
  context.progress.step(LABEL, `installing features: ${names}`);
  const merged = mergeConfigs(metadataOf(base, devcontainer.withVariables), devcontainer.config);
  const folder = join(dir, 'context');
  await mkdir(folder);
  const dockerfile = await writeBuildContext(features, { dir: folder, base: baseOf(base, merged) });
  const request = {
    ...{ dockerfile, context: folder, name: builtName(devcontainer, 'features'), reuse: true, force: true },
    ...(wish.platform === undefined ? {} : { platform: wish.platform }),
    ...(wish.nat ? { nat: true } : {}),
  };
  return await context.follow(client.buildDockerfile(request, { signal: context.signal }), LABEL);
}

/** What the features themselves ask for: their hooks, which run before those of the file. */
export function configOfFeatures(
  features: readonly Feature[],
  { withVariables }: Pick<Devcontainer, 'withVariables'>,
): DevcontainerConfig[] {
  return features.map(({ metadata }) => readMetadata(withVariables(metadata.hooks) as typeof metadata.hooks));
}

function baseOf(
  { name, config = {} }: Image,
  { remoteUser, containerUser }: Pick<DevcontainerConfig, 'remoteUser' | 'containerUser'>,
): FeatureBase {
  const imageUser = config.user ?? '';
  if (!/^[\w.:-]*$/.test(imageUser)) {
    throw invalid(`image "${name}" has the user "${imageUser}"`, { image: name });
  }
  const ofSystem = containerUser ?? (imageUser || 'root');
  const [container = '', remote = ''] = [ofSystem, remoteUser ?? ofSystem].map((user) => user.split(':')[0]);
  return { image: name, imageUser, containerUser: container, remoteUser: remote };
}
