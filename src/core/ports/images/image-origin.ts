import type { ImportFormat } from '../../../protocol/api/image.ts';

/** Where the content of an image comes from. Paths are absolute. */
export type ImageOrigin =
  | { kind: 'recipe'; recipe: string }
  /** `reference` in full form */
  | { kind: 'registry'; reference: string }
  | { kind: 'archive'; format: ImportFormat; path: string }
  /** Debian packages of the set, unpacked without running their scripts */
  | { kind: 'packages'; set: string }
  /** `contentKey`: `sha256:...` of everything that the build read; absent when nobody asked for it */
  | { kind: 'dockerfile'; dockerfile: string; context: string; contentKey?: string }
  /** the root of the VM that had this name at the time `at`; `base` is the name of its image */
  | { kind: 'commit'; vm: string; base: string; at: string }
  /** an ext4 file system that stays the user's own file */
  | { kind: 'file'; path: string };
