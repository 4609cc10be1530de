import { AppError } from '../../../base/errors.ts';
import { type Feature, type FeatureWish, isLocal, withoutVersion } from './feature.ts';

/** Most features of a VM, those that others depend on among them. */
const MAX_FEATURES = 128;

/** Brings a feature's files to this host. */
export type LoadFeature = (wish: FeatureWish) => Promise<Feature>;

/**
 * The features of a file with all that they depend on, in the order in which they are installed: each after
 * what it depends on, and after those of `installsAfter` that are installed too; among those that could be
 * next, first those that `override` names, in its order, then by their references. The same feature with the
 * same options is installed once.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID when features depend on one another in a circle, or there
 * are too many; what `load` throws.
 */
export async function orderFeatures(
  wishes: readonly FeatureWish[],
  { load, override }: { load: LoadFeature; override: readonly string[] },
): Promise<Feature[]> {
  const all = await collect(wishes, load);
  const first = override.map(withoutVersion);
  const left = new Map([...all].sort(([one], [other]) => (one < other ? -1 : 1)));
  const ordered: Feature[] = [];
  while (left.size > 0) {
    const ready = [...left].filter(([, feature]) => !isWaiting(feature, left));
    const isNamed = ([, feature]: [string, Feature]): number => rankOf(feature, first);
    const best = Math.min(...ready.map(isNamed));
    const next = ready.find((one) => isNamed(one) === best);
    if (!next) throw circular([...left.values()]);
    left.delete(next[0]);
    ordered.push(next[1]);
  }
  return ordered;
}

async function collect(wishes: readonly FeatureWish[], load: LoadFeature): Promise<Map<string, Feature>> {
  const found = new Map<string, Feature>();
  const waiting = [...wishes];
  for (let wish = waiting.shift(); wish; wish = waiting.shift()) {
    const key = keyOf(wish);
    if (found.has(key)) continue;
    if (found.size >= MAX_FEATURES) {
      throw invalid(`there are more than ${MAX_FEATURES} features`, { feature: wish.ref });
    }
    const feature = await load(wish);
    found.set(key, feature);
    waiting.push(...feature.metadata.dependsOn);
  }
  return found;
}

/** Whether something that has to be installed before a feature is not yet. */
function isWaiting(feature: Feature, left: ReadonlyMap<string, Feature>): boolean {
  if (feature.metadata.dependsOn.some((wish) => left.has(keyOf(wish)))) return true;
  return [...left.values()].some(
    (other) => other !== feature && feature.metadata.installsAfter.some((ref) => isNameOf(ref, other)),
  );
}

function rankOf(feature: Feature, first: readonly string[]): number {
  const at = first.findIndex((ref) => isNameOf(ref, feature));
  return at < 0 ? first.length : at;
}

/** Folders have no names of their own, so that also the id of their feature is one. */
function isNameOf(ref: string, { ref: own, metadata }: Feature): boolean {
  if (withoutVersion(ref) === withoutVersion(own)) return true;
  return isLocal(own) && ref === metadata.id;
}

function keyOf({ ref, options }: FeatureWish): string {
  const sorted = Object.entries(options).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([isLocal(ref) ? withoutVersion(ref) : ref, sorted]);
}

function circular(features: readonly Feature[]): AppError {
  const refs = features.map(({ ref }) => ref);
  return invalid(`features wait for one another: ${refs.join(', ')}`, { features: refs });
}

/** The error for features that cannot be installed. */
export function invalid(why: string, details: Record<string, unknown>): AppError {
  return new AppError('DEVCONTAINER_FEATURE_INVALID', `Cannot install the features: ${why}`, {
    hint: 'leave them out with --devcontainer-skip features, or correct the file that names them',
    details,
  });
}
