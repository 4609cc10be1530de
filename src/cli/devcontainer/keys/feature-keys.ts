import type { JsonValue } from '../../../base/text/jsonc.ts';
import { type FeatureWish, isArtifactRef, isLocal } from '../features/feature.ts';
import { findLocalFeature } from '../features/local-feature.ts';
import { readWishes } from '../features/read-wishes.ts';
import {
  type ConfigFields,
  type ConfigPlace,
  type KeyReader,
  type KeyVerdict,
  notSupported,
  overridden,
  refused,
  taken,
} from './key.ts';

/** The keys about features: software that is installed into the image. */
export const FEATURE_KEYS: Readonly<Record<string, KeyReader>> = {
  features: featuresVerdict,
  overrideFeatureInstallOrder: (value, _place, fields) => {
    if (!hasFeatures(fields)) return notSupported('there are no features');
    if (!Array.isArray(value) || !value.every((one: JsonValue) => typeof one === 'string')) {
      return refused('it must be a list of features');
    }
    return taken({ featureOrder: value as string[] });
  },
};

const NO_PLACE =
  'it is neither a folder of the repository (./NAME) nor a reference with its registry (HOST/PATH:TAG)';

function hasFeatures({ features }: ConfigFields): boolean {
  return features !== undefined && Object.keys(features ?? {}).length > 0;
}

function featuresVerdict(value: JsonValue, place: ConfigPlace): KeyVerdict {
  const wishes = readWishes(value);
  if (typeof wishes === 'string') return refused(wishes);
  if (wishes.length === 0) return taken({});
  const notes: string[] = [];
  const ignored: string[] = [];
  for (const wish of wishes) {
    const found = describe(wish, place);
    if (typeof found === 'string') return refused(`"${wish.ref}": ${found}`);
    notes.push(found.note);
    if (found.ignored.length > 0) ignored.push(`${found.ignored.join(', ')} of ${wish.ref}`);
  }
  const note = `installed in the builder VM: ${notes.join(', ')}`;
  if (ignored.length === 0) return taken({ features: wishes }, note);
  return overridden(`${note}; without effect: ${ignored.join(', ')}`, { features: wishes });
}

/** What there is to say of a feature, or what is wrong with it. */
function describe(
  wish: FeatureWish,
  place: ConfigPlace,
): { note: string; ignored: readonly string[] } | string {
  if (!isLocal(wish.ref)) {
    return isArtifactRef(wish.ref) ? { note: `${wish.ref} (of its registry)`, ignored: [] } : NO_PLACE;
  }
  const feature = findLocalFeature(wish, place);
  if (typeof feature === 'string') return feature;
  const { id, version, defaults, ignored } = feature.metadata;
  const unknown = Object.keys(wish.options).filter((name) => !Object.hasOwn(defaults, name));
  if (unknown.length > 0) {
    const known = Object.keys(defaults).join(', ') || 'none';
    return `it has no option "${unknown[0]}"; its options: ${known}`;
  }
  return { note: version === '' ? id : `${id} ${version}`, ignored };
}
