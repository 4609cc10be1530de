import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { neverAborts } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { processEnvironment } from '../../../src/config/settings.ts';
import { fill } from '../../support/steps/fill.ts';

const BANGER = fileURLToPath(new URL('../../../bin/banger', import.meta.url));
const signal = neverAborts();
const skip = process.getuid?.() === 0 ? false : 'only root can mount a file system to fill';

describe('the built program with its folders on a full disk', { skip }, () => {
  let dir: string;
  let full: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'full-'));
    full = join(dir, 'full');
    mkdirSync(full);
  });
  afterEach(async () => {
    await exec(['umount', '-l', full], { signal });
    rmSync(dir, { recursive: true });
  });

  for (const [what, size] of [
    ['bytes', 'size=256k'],
    // One inode for the mount itself, one for the runtime folder.
    ['files', 'nr_inodes=2'],
  ] as const) {
    test(`without ${what} left, names the full disk, and exits with 125 in commands that run a guest command`, async () => {
      await exec(['mount', '-t', 'tmpfs', '-o', `${size},mode=0700`, 'banger-test', full], { signal });
      mkdirSync(join(full, 'r'), { mode: 0o700 });
      if (what === 'bytes') fill(full);
      const cases: [string[], number][] = [
        [['vm', 'run', '--', 'true'], 125],
        [['vm', 'run', '-d'], 125],
        [['vm', 'run', '--json', '--', 'true'], 125],
        [['vm', 'exec', 'box', '--', 'true'], 125],
        [['vm', 'exec', '--json', 'box', '--', 'true'], 125],
        [['vm', 'list'], 1],
      ];
      for (const [words, status] of cases) {
        const ran = spawnSync(BANGER, words, { cwd: dir, env: environment(), encoding: 'utf8' });
        const line = words.join(' ');
        assert.equal(ran.status, status, `${line}: ${ran.stderr}`);
        const said = words.includes('--json') ? ran.stdout : ran.stderr;
        assert.match(
          said,
          what === 'bytes' ? /: 0B? are free/ : /: no file can be added or grow there/,
          line,
        );
        assert.match(said, /Cannot make the daemon's files in .*\/full/, line);
        if (words.includes('--json')) assert.equal(JSON.parse(said).error.code, 'HOST_NO_SPACE');
      }
    });
  }

  function environment(): NodeJS.ProcessEnv {
    return {
      ...processEnvironment(),
      XDG_STATE_HOME: join(full, 's'),
      XDG_RUNTIME_DIR: join(full, 'r'),
      XDG_CONFIG_HOME: join(dir, 'c'),
    };
  }
});
