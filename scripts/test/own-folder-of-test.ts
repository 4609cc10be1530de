// Loaded into every test process: all its folders are below one of its own. So the runner knows which
// processes belong to which file when several run at a time.
import { chmodSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ownFolderOf } from './own-folder.ts';

/** Set to the folder in processes that have one, for their own child processes. */
const MARK = 'BANGER_TEST_FOLDER';

const file = process.argv[1];
if (file !== undefined && process.env[MARK] !== tmpdir()) {
  const folder = ownFolderOf(tmpdir(), file);
  mkdirSync(folder, { recursive: true });
  // Tests that act as another user must be able to pass through it, but not to list it.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  process.env[MARK] = folder;
}
