import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfThere, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { homeInUserDatabase, movedPlaces, userSshConfig } from '../../config/settings.ts';
import { includes, withBlock, withoutBlock } from '../../config/ssh/include-block.ts';
import { includeLine, includeLines } from '../../config/ssh/quote.ts';
import { sshStanza } from '../../config/ssh/stanza.ts';
import { changeOwnConfig, readUserConfig, writeUserConfig } from '../../config/ssh/user-config.ts';
import type { CommandContext } from '../context/context.ts';

/** What `banger ssh-config` is to do. */
export type SshConfigAction = 'show' | 'install' | 'uninstall';

/** What `banger ssh-config` did. */
export interface SshConfigDone {
  /** banger's own ssh configuration */
  path: string;
  /** the line that includes it */
  include: string;
  /** the user's ssh configuration */
  userConfig: string;
  /** the user's ssh configuration includes it now */
  isInstalled: boolean;
  /** a file was changed; absent when nothing was to be done */
  isChanged: boolean;
}

/**
 * Writes banger's own ssh configuration, or deletes it, and does the same with the line in the user's that
 * includes it. Idempotent. After a failure, the user's file is unchanged.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE, SSH_CONFIG_DAMAGED, HOST_NO_SPACE.
 */
export async function setUpSsh(
  action: SshConfigAction,
  { io, notice, paths }: CommandContext,
): Promise<SshConfigDone> {
  const { sshConfigFile: path, sshKeyFile: identityFile, knownHostsFile, loginUsersFile } = paths();
  const include = includeLine(path);
  const userConfig = userSshConfig(io.env);
  const stanza = sshStanza({
    programArgv: io.launcherArgv,
    places: movedPlaces(io.env),
    identityFile,
    knownHostsFile,
    loginUsersFile,
  });
  const isOwnChanged =
    action === 'uninstall' ? false : await changeOwnConfig(path, () => writeOwn(path, stanza));
  const user = readUserConfig(userConfig);
  const before = user.text;
  let after = before;
  if (action === 'install') {
    after = withBlock(before ?? '', { includeLine: include, isNewFile: before === undefined });
  }
  if (action === 'uninstall' && before !== undefined) after = withoutBlock(before);
  if (after !== before) {
    await writeUserConfig(user, after);
    if (user.realPath !== user.path) notice(`"${user.path}" leads to "${user.realPath}", which was changed`);
  }
  const isOwnRemoved = action === 'uninstall' && (await changeOwnConfig(path, () => removeOwn(path)));
  noticeOtherHome(userConfig, notice);
  return {
    path,
    include,
    userConfig,
    isInstalled: includes(after ?? '', includeLines(path, io.env)),
    isChanged: after !== before || isOwnChanged || isOwnRemoved,
  };
}

/** Returns whether the file had another content. */
async function writeOwn(path: string, content: string): Promise<boolean> {
  if ((await readIfThere(path)) === content) return false;
  const dir = dirname(path);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await reportNoSpace(() => writeFileAtomic(path, content), { what: 'the ssh configuration', dir });
  return true;
}

async function removeOwn(path: string): Promise<boolean> {
  if ((await readIfThere(path)) === undefined) return false;
  await rm(path);
  return true;
}

/** ssh(1) takes the user's home folder from the user database, and ignores HOME. */
function noticeOtherHome(userConfig: string, notice: CommandContext['notice']): void {
  const home = homeInUserDatabase();
  if (home === undefined || dirname(dirname(userConfig)) === home) return;
  notice(`ssh ignores HOME and reads "${home}/.ssh/config"; for "${userConfig}": ssh -F "${userConfig}"`);
}
