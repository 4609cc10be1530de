import { checkPlainImageName } from '../../../protocol/image/image-ref.ts';
import type { CommandContext } from '../../context/context.ts';
import { imageChoice } from '../follow-image.ts';
import { fetchCatalogs } from './fetch-catalogs.ts';
import { archFor, findOffered } from './offered.ts';
import { pullBundle } from './pull-bundle.ts';

/** The options of `image pull` that count for an image of a catalog. */
export interface PullOptions {
  name?: string | undefined;
  platform?: string | undefined;
  kernelRef?: string | undefined;
  force: boolean;
  json: boolean;
}

/**
 * Pulls an image of a catalog, prints it and returns the exit status. Returns `undefined` when no catalog of
 * the config file has it.
 *
 * @throws {AppError} what {@link fetchCatalogs} and {@link pullBundle} throw.
 */
export async function pullOffered(
  given: string,
  options: PullOptions,
  context: CommandContext,
): Promise<number | undefined> {
  const { platform, kernel } = imageChoice(options);
  const name = checkPlainImageName(options.name ?? given);
  const offered = findOffered(await fetchCatalogs(context), { name: given, arch: archFor(platform) });
  if (!offered) return undefined;
  const client = await context.client();
  const choice = { name, isForced: options.force, ...(kernel === undefined ? {} : { kernel }) };
  const image = await pullBundle(offered, choice, { client, context });
  if (options.json) await context.printJson(image);
  else await context.print(image.name);
  return 0;
}
