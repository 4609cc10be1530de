import type { JsonValue } from '../../../base/text/jsonc.ts';
import { saysWhereItIs } from '../../../protocol/image/image-ref.ts';

/** Values of a feature's options by their names. */
export type FeatureOptions = Readonly<Record<string, string>>;

/** A feature that a file or another feature asks for. */
export interface FeatureWish {
  /** as it is written: the path of a folder, or the reference of an artefact in a registry */
  ref: string;
  options: FeatureOptions;
}

/** What the `devcontainer-feature.json` of a feature says, as far as it counts here. */
export interface FeatureMetadata {
  id: string;
  version: string;
  /** values of options that nobody gives */
  defaults: FeatureOptions;
  /** variables of the image; may refer to others as an ENV of a Dockerfile does */
  containerEnv: Readonly<Record<string, string>>;
  dependsOn: readonly FeatureWish[];
  /** references, of which only those matter that are installed anyway */
  installsAfter: readonly string[];
  /** its hooks */
  hooks: Readonly<Record<string, JsonValue>>;
  /** keys that ask for something that has no effect here */
  ignored: readonly string[];
}

/** A feature whose files are on this host. */
export interface Feature extends FeatureWish {
  /** folder with its `install.sh` */
  dir: string;
  metadata: FeatureMetadata;
}

/** A reference without tag and digest: what `installsAfter` and `overrideFeatureInstallOrder` name. */
export function withoutVersion(ref: string): string {
  if (isLocal(ref)) return ref.replace(/\/+$/, '');
  const [name = ''] = ref.split('@');
  return name.replace(/:[^/:]*$/, '').toLowerCase();
}

/** Whether a feature is a folder of the working tree. */
export function isLocal(ref: string): boolean {
  return ref.startsWith('./') || ref.startsWith('../');
}

/** Whether a feature is an artefact, whose registry the reference says. */
export function isArtifactRef(ref: string): boolean {
  const [host = ''] = ref.split('/');
  return /[.:]|^localhost$/.test(host) && /^[a-z0-9]/i.test(host) && saysWhereItIs(ref);
}
