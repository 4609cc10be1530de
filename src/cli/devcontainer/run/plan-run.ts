import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { type DevcontainerConfig, type HostRequirements, mergeConfigs } from '../config.ts';
import type { Devcontainer } from '../load.ts';
import { findImage, metadataOf } from './find-image.ts';
import { configOfFeatures, findFeatures, installFeatures } from './install-features.ts';

/** The sizes that the command line names itself: they win over those of the file. */
export type GivenShape = ReadonlySet<'vcpuCount' | 'memoryMib' | 'diskSizeBytes' | 'systemOverlaySizeBytes'>;

/** A VM as its configuration wants it. */
export interface PlannedVm {
  request: CreateVmRequest;
  /** of the file, on top of that of the image */
  config: DevcontainerConfig;
  /** the user of hooks and commands */
  user: string;
}

/**
 * Finds the image of a configuration, with its features, and returns the request for the VM with it.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID; what building and pulling images throw.
 */
export async function planVm(
  devcontainer: Devcontainer,
  {
    request,
    given,
    client,
    context,
  }: { request: CreateVmRequest; given: GivenShape; client: BangerClient; context: CommandContext },
): Promise<PlannedVm> {
  const making = { wish: request, client, context };
  await using found = await findFeatures(devcontainer, making);
  const base = await findImage(devcontainer, making);
  const image = await installFeatures(base, found, { devcontainer, ...making });
  const own = configOfFeatures(found.features, devcontainer);
  const below = [metadataOf(image, devcontainer.withVariables), ...own].reduce(mergeConfigs);
  const config = mergeConfigs(below, devcontainer.config);
  const env = Object.entries(config.containerEnv).map(([name, value]) => `${name}=${value}`);
  return {
    config,
    user: config.remoteUser ?? config.containerUser ?? (image.config?.user || 'root'),
    request: {
      ...request,
      image: image.name,
      ...shapeOf(request, config.requirements, given),
      ...(env.length > 0 ? { env } : {}),
    },
  };
}

/** The shape with at least what the file requires, where the command line names nothing. */
export function shapeOf(
  request: CreateVmRequest,
  { cpus, memoryMib, storageBytes }: HostRequirements,
  given: GivenShape,
): Partial<CreateVmRequest> {
  const least = {
    vcpuCount: cpus,
    memoryMib,
    diskSizeBytes: storageBytes,
    systemOverlaySizeBytes: storageBytes,
  };
  const raised = Object.entries(least).flatMap(([name, value]) => {
    const field = name as keyof typeof least;
    if (value === undefined || given.has(field)) return [];
    return [[field, Math.max(value, request[field] ?? 0)] as const];
  });
  return Object.fromEntries(raised);
}
