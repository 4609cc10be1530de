import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neverAborts } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { processEnvironment, resolvePaths } from '../../../src/config/settings.ts';
import { type Lab, openLab } from './lab.ts';
import { type SshClient, sshClient, sshHome } from './ssh-client.ts';

/** Debian's `nobody`: no groups, no way to become root. */
export const NOBODY = 65534;

const SHARE_IMAGE = fileURLToPath(new URL('share-image.sh', import.meta.url));

const signal = neverAborts();

/** The lab of a user who is not root. */
export interface OrdinaryUser extends AsyncDisposable {
  readonly lab: Lab;
  /** programs of this user, in a home folder of its own */
  readonly client: SshClient;
}

/** The words before a command that run it as another user. Only root may. */
export function become(uid: number): readonly [string, ...string[]] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'];
}

/** Returns why {@link openOrdinaryUser} cannot make a lab here, or false when it can. */
export async function whyNoOrdinaryUser(): Promise<string | false> {
  if (process.getuid?.() !== 0) return false;
  const launcher = fileURLToPath(new URL('../../../bin/banger', import.meta.url));
  const { code } = await exec([...become(NOBODY), 'test', '-r', launcher], {
    signal,
    okCodes: [0, 1, 126, 127],
  });
  return code === 0 ? false : 'this checkout is in a folder that only root may enter';
}

/**
 * Makes a lab of an ordinary user: the one who runs the tests, or {@link NOBODY} with the default image
 * when that is root. `wrap` are words before each command, after those that change the user. Disposing also
 * removes its folder.
 */
export async function openOrdinaryUser(wrap: readonly string[] = []): Promise<OrdinaryUser> {
  const scratch = await mkdtemp(join(tmpdir(), 'bu-'));
  const { HOME } = sshHome(scratch);
  const isRoot = process.getuid?.() === 0;
  const { XDG_DATA_HOME, XDG_CACHE_HOME } = isRoot
    ? { XDG_DATA_HOME: join(scratch, 'd'), XDG_CACHE_HOME: join(scratch, 'k') }
    : ownStores();
  const env = { HOME, XDG_DATA_HOME, XDG_CACHE_HOME };
  if (isRoot) {
    const { dataDir } = resolvePaths(processEnvironment());
    const copy = join(XDG_DATA_HOME, 'banger');
    await exec(['bash', SHARE_IMAGE, dataDir, copy, String(NOBODY)], { signal });
    for (const dir of [scratch, HOME, XDG_DATA_HOME]) await chown(dir, NOBODY, NOBODY);
  }
  const prefix = [...(isRoot ? become(NOBODY) : []), ...wrap];
  const lab = await openLab({ scratch, env, prefix });
  const { configFile } = lab.paths;
  const configured = [dirname(dirname(configFile)), dirname(configFile), configFile];
  if (isRoot) for (const path of configured) await chown(path, NOBODY, NOBODY);
  return {
    lab,
    client: sshClient(lab, prefix),
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** The images and templates of the user who runs the tests, also with another home folder. */
function ownStores(): { XDG_DATA_HOME: string; XDG_CACHE_HOME: string } {
  const home = process.env['HOME'] ?? '';
  const { XDG_DATA_HOME = join(home, '.local/share'), XDG_CACHE_HOME = join(home, '.cache') } = process.env;
  return { XDG_DATA_HOME, XDG_CACHE_HOME };
}
