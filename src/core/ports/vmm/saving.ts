import type { Abortable } from '../../../base/abort.ts';
import type { DriveSpec, VmSpec } from './spec.ts';

/** A paused guest, in two files that belong together. */
export interface SavedGuest {
  /** all of its memory; sparse */
  memoryPath: string;
  /** the state of its devices and processors, in the VMM's own format; some 100 KB */
  statePath: string;
  /** the VMM's own network is part of its devices, as in guests that earlier versions of banger captured */
  hasBuiltInNetwork?: boolean;
}

/** Where the copy of a running VM is written. */
export interface CaptureRequest {
  /** what the VM was started with */
  spec: VmSpec;
  to: SavedGuest;
  /** new files for copies of the writable drives */
  drives: readonly { serial: DriveSpec['serial']; pathOnHost: string }[];
}

/** Drives of a running VM, and new files for copies of them. */
export interface DriveCopies {
  /** the drives that the VM was started with */
  spec: Pick<VmSpec, 'drives'>;
  drives: readonly { serial: DriveSpec['serial']; pathOnHost: string }[];
}

/** How far the copying of drives has come. */
export interface CopiedBytes {
  doneBytes: number;
  /** grows while the guest writes */
  totalBytes: number;
}

/** How a running guest is saved. */
export interface GuestSaver {
  /**
   * Pauses the guest and writes it to `to` (files that must not exist). `spec` is what the VM was started
   * with. The guest stays paused and the caller kills its VMM; after that the drive files are as the guest
   * left them, and belong to the saved guest. After a failure or an abort the guest runs again and the files
   * are gone.
   *
   * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
   */
  save(request: { spec: VmSpec; to: SavedGuest }, options: Abortable): Promise<void>;
  /**
   * Writes a copy of the guest and of its writable drives, all as of the same moment. The guest is paused for
   * `pausedMs` in total and then runs again. `onCopied` is called now and then while drives that take long
   * are copied. After a failure or an abort the guest runs too, and no file is left.
   *
   * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
   */
  capture(
    request: CaptureRequest,
    options: Abortable & { onCopied?: ((copied: CopiedBytes) => void) | undefined },
  ): Promise<{ pausedMs: number }>;
  /**
   * Writes copies of writable drives, all as of the same moment, without the guest's memory. The guest is
   * paused for `pausedMs` and then runs again. After a failure or an abort it runs too, and no file is left.
   *
   * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
   */
  copyDrives(
    request: DriveCopies,
    options: Abortable & { onCopied?: ((copied: CopiedBytes) => void) | undefined },
  ): Promise<{ pausedMs: number }>;
}

/** How a saved guest is brought back. */
export interface RestoreOptions extends Abortable {
  /** called when the VMM answers, before it reads the guest */
  onVmm?: (() => void) | undefined;
  /** called when the VMM has read the guest, which has not run yet: from then on its drives change */
  beforeRun?: (() => void) | undefined;
}
