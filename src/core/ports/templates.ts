import type { Abortable } from '../../base/abort.ts';
import type { VmShape } from '../../protocol/vm.ts';
import type { GuestArch } from './images/guest-arch.ts';
import type { SavedGuest } from './vmm/saving.ts';
import type { DriveSpec } from './vmm/spec.ts';

/** What a template was made from, for people; its key covers all of it. */
export interface TemplateFacts {
  imageName: string;
  kernelName: string;
  /** absent in templates of earlier versions, whose guests have the host's */
  arch?: GuestArch;
  shape: VmShape;
  /** name and version of the VMM */
  vmm: string;
}

/** A booted, idle guest on disk, with the drives that it had at that moment. Never changed once made. */
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

/** Where a template is being made; nothing finds it before it is whole. */
export interface TemplatePlace {
  /** empty folder for the drives */
  dir: string;
  saved: SavedGuest;
}

/**
 * The warm templates of this user. They are a cache: any of them may be removed at any time, and the next
 * start that needs it makes it again.
 */
export interface TemplateStore {
  /**
   * Returns the template of `key` when it exists and is whole: sizes of all files, checksum of the device
   * state. Sets a damaged one aside and reports it through `onDamage`. The template cannot be removed until
   * the caller disposes of the result.
   */
  use(
    key: string,
    options: { onDamage: (message: string) => void },
  ): Promise<(StoredTemplate & Disposable) | undefined>;
  /**
   * Makes the template of `key` with `work`, which writes the saved guest and the drives to the place and
   * returns the drives' specs. Callers of one key share the work. Nothing is left after a failure or an
   * abort.
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
  /** Prevents a template that could not be restored from being used again. Idempotent. */
  setAside(key: string): Promise<void>;
  /** The templates whose files have the right sizes; last used first. */
  list(): Promise<StoredTemplate[]>;
  /** Removes one. @throws {AppError} TEMPLATE_NOT_FOUND, TEMPLATE_IN_USE */
  delete(key: string): Promise<void>;
  /**
   * Removes templates that were set aside or left half-made, then the least recently used ones until the rest
   * takes `maxBytes` at most; never one in use. Returns the removed keys. With `isDryRun`, it only returns
   * which would be removed.
   */
  prune(options: { maxBytes: number; isDryRun?: boolean }): Promise<string[]>;
  /** Removes what a crashed daemon left half-made. Idempotent. */
  sweep(): Promise<void>;
  /** Reads all of a template and compares it with its checksums. Returns what is wrong, if anything. */
  verify(key: string, options: Abortable): Promise<string | undefined>;
}
