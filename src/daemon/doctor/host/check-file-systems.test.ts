import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FolderFacts, requireUsable } from '../../file-systems.ts';
import { judgeFolders } from './check-file-systems.ts';

const LOCAL: FolderFacts = {
  dir: '/home/me/.local/state/banger',
  movedBy: 'XDG_STATE_HOME',
  name: 'local',
  isRemote: false,
  missing: [],
  isSparse: true,
};
const CACHE: FolderFacts = { ...LOCAL, dir: '/home/me/.cache/banger', movedBy: 'XDG_CACHE_HOME' };

test('local folders pass', () => {
  assert.equal(judgeFolders([LOCAL, CACHE]).status, 'pass');
  requireUsable([LOCAL, CACHE]);
});

test('each unusable folder is named, with what it lacks and the variable that moves it', () => {
  const folders = [
    { ...LOCAL, name: 'NFS', isRemote: true, missing: ['lock files'] },
    { ...CACHE, name: 'FAT', missing: ['keep permissions', 'lock files'] },
  ];
  assert.throws(() => requireUsable(folders), {
    code: 'FILE_SYSTEM_UNSUPPORTED',
    message:
      'Cannot keep VMs here: "/home/me/.local/state/banger" is on a file system (NFS) that does not lock files; ' +
      '"/home/me/.cache/banger" is on a file system (FAT) that does not keep permissions, lock files',
    hint: 'set XDG_STATE_HOME and XDG_CACHE_HOME to a folder on a local file system',
  });
  const { status, fix } = judgeFolders(folders);
  assert.deepEqual(
    [status, fix],
    ['fail', 'set XDG_STATE_HOME and XDG_CACHE_HOME to a folder on a local file system'],
  );
});

test('a file system with disadvantages is a warning', () => {
  const remote = judgeFolders([{ ...LOCAL, name: 'NFS', isRemote: true }, CACHE]);
  assert.deepEqual(
    [remote.status, remote.fix],
    ['warn', 'set XDG_STATE_HOME to a folder on a local file system'],
  );
  const dense = judgeFolders([LOCAL, { ...CACHE, name: 'FUSE', isSparse: false }]);
  assert.match(dense.message, /"\/home\/me\/\.cache\/banger" \(FUSE\) has no sparse files/);
});
