import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** Where the app with its dev server is installed. */
export const APP_DIR = join(ROOT, '.cache', 'browser', 'app');

/** Debian's package `chromium`. */
export const CHROMIUM = process.env['BANGER_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** Node for this host's architecture, which the guest's is too. */
export const NODE = process.execPath;
