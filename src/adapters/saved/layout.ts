import { join } from 'node:path';

/*
 * Warm templates, a cache:
 *
 *     <templatesDir>/
 *       <key>/               put there by a rename, never changed but for the time of its manifest:
 *                            when it was used last
 *         manifest.json      what it is, sizes and checksums; manifest-schema.ts
 *         memory             all of the guest's memory, sparse
 *         state              devices and processors, as the VMM wrote them
 *         overlay.qcow2      the drives as the guest left them
 *         work.qcow2
 *       .lock                held while one is made
 *       .staging/            what is being made or removed (base/files/staging.ts), and what was set aside
 */

/** Paths of a saved guest's parts, of a template or a snapshot. */
export interface SavedFiles {
  dir: string;
  manifest: string;
  memory: string;
  state: string;
}

/** The paths of the parts of the saved guest in `dir`. */
export function savedFiles(dir: string): SavedFiles {
  return {
    dir,
    manifest: join(dir, 'manifest.json'),
    memory: join(dir, 'memory'),
    state: join(dir, 'state'),
  };
}

/** Folder of unfinished templates. */
export function stagingArea(templatesDir: string): string {
  return join(templatesDir, '.staging');
}

/** Lock that is held while a template is made. */
export function makingLock(templatesDir: string): string {
  return join(templatesDir, '.lock');
}
