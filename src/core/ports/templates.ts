import type { Abortable } from '../../base/abort.ts';
import type { VmShape } from '../../protocol/vm.ts';
import type { SavedGuest } from './vmm/saving.ts';
import type { DriveSpec } from './vmm/spec.ts';

/** What a template was made from, for people; its key stands for all of it. */
export interface TemplateFacts {
  imageName: string;
  kernelName: string;
  shape: VmShape;
  /** name and version of the VMM */
  vmm: string;
}

/**
 * A guest that has booted and gone quiet, on disk, with the drives that it had then. Never changed once made.
 */
export interface StoredTemplate {
  /** 64 hex digits */
  key: string;
  facts: TemplateFacts;
  saved: SavedGuest;
  /** the writable drives, to be copied */
  drives: readonly DriveSpec[];
  createdAt: string;
  lastUsedAt: string;
  /** what its files take on disk */
  diskBytes: number;
}

/** Where a template is being made: nothing of it is seen before it is whole. */
export interface TemplatePlace {
  /** empty folder for the drives */
  dir: string;
  saved: SavedGuest;
}

/**
 * The warm templates of this user. They are a cache: any of them may be gone at any time, and is made again
 * when it is wanted.
 */
export interface TemplateStore {
  /**
   * The template of `key` when it is there and whole: sizes of all files, checksum of the device state. One
   * that is damaged is set aside, with a warning through `onDamage`. It stays until the result is disposed
   * of, whatever else happens.
   */
  use(
    key: string,
    options: { onDamage: (message: string) => void },
  ): Promise<(StoredTemplate & Disposable) | undefined>;
  /**
   * Makes the template of `key` with `work`, which leaves the saved guest and the drives in the place and
   * gives the drives' specs. Callers of one key share the work. Nothing is left after a failure or an abort.
   *
   * @throws {AppError} HOST_NO_SPACE; what `work` throws.
   */
  make(
    key: string,
    request: {
      facts: TemplateFacts;
      work: (place: TemplatePlace, options: Abortable) => Promise<readonly DriveSpec[]>;
    },
    options: Abortable,
  ): Promise<void>;
  /** Keeps a template from being used again: it could not be restored. Idempotent. */
  setAside(key: string): Promise<void>;
  /** All that are whole as far as sizes tell; newest use first. */
  list(): Promise<StoredTemplate[]>;
  /** Removes one. @throws {AppError} TEMPLATE_NOT_FOUND, TEMPLATE_IN_USE */
  delete(key: string): Promise<void>;
  /**
   * Removes what was set aside or left half-made, then the templates that were not used for longest until the
   * rest takes `maxBytes` at most; none in use. Gives the keys that are gone.
   */
  prune(options: { maxBytes: number }): Promise<string[]>;
  /** Removes what a daemon that died left half-made. Idempotent. */
  sweep(): Promise<void>;
  /** Reads all of a template and compares it with its checksums; gives what is wrong with it. */
  verify(key: string, options: Abortable): Promise<string | undefined>;
}
