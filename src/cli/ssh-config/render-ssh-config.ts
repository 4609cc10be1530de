import type { SshConfigAction, SshConfigDone } from './set-up-ssh.ts';

/** What `banger ssh-config` prints. */
export function sshConfigReport(action: SshConfigAction, done: SshConfigDone): string {
  const { path, include, userConfig, isInstalled, isChanged } = done;
  switch (action) {
    case 'install':
      return `${isChanged ? 'installed' : 'already installed'}: ${userConfig} includes ${path}\nnext: ssh NAME.vm`;
    case 'uninstall':
      if (isInstalled) return `${userConfig} still has a line of your own: ${include}`;
      return isChanged ? `removed from ${userConfig}` : `not installed: ${userConfig} was not changed`;
    case 'show':
      return [
        path,
        include,
        '',
        isInstalled
          ? `${userConfig} includes it: ssh NAME.vm works`
          : `to let ssh reach VMs: banger ssh-config --install, or put the line above at the top of ${userConfig}`,
      ].join('\n');
    default:
      return action satisfies never;
  }
}
