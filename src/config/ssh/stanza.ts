import { type GuestLoginFiles, guestOptions } from './guest-options.ts';
import { proxyArgv, proxyCommand } from './proxy-command.ts';
import { includeLine, requireOneLine } from './quote.ts';

/** What {@link sshStanza} needs. */
export interface StanzaParts extends GuestLoginFiles {
  /** how to start this program */
  programArgv: readonly string[];
  /** environment variables that move banger's folders, and their values; ssh may run without them */
  places: Readonly<Record<string, string>>;
  /** which VMs have another user than root; need not exist */
  loginUsersFile: string;
}

/**
 * Ends the command line of the proxy: the host's name and the port, which ssh fills in. Older versions of ssh
 * pass a shell any name that a URL has, so it is quoted, and names with the quote itself are excluded.
 */
const PROXY_WORDS = "vm proxy '%h' %p";
const HOSTS = `*.vm "!*'*"`;

/**
 * The file for ssh_config(5) that lets ssh(1) reach every VM by its name: `ssh NAME.vm`. Pure.
 *
 * The options besides those of {@link guestOptions} keep settings that the user has made for all hosts from
 * breaking the connection (`ProxyUseFdpass`, `CanonicalizeHostname`), and from lending a guest what it must
 * not get unasked (`ForwardAgent`, `ForwardX11`): options of ssh itself, such as `-A`, still win.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE when a path has a line break.
 */
export function sshStanza({ programArgv, places, loginUsersFile, ...files }: StanzaParts): string {
  const moved = Object.entries(places).map(([name, value]) => `${name}=${value}`);
  const argv = [...(moved.length > 0 ? ['env', ...moved] : []), ...programArgv];
  const options: readonly (readonly [string, string])[] = [
    ['User', 'root'],
    ['ProxyCommand', `${proxyCommand(argv)} ${PROXY_WORDS}`],
    ['ProxyUseFdpass', 'no'],
    ['CanonicalizeHostname', 'no'],
    ...guestOptions(files),
    ['AddKeysToAgent', 'no'],
    ['ForwardAgent', 'no'],
    ['ForwardX11', 'no'],
  ];
  const lines = options.map(([name, value]) => {
    requireOneLine(value);
    return `  ${name} ${value}`;
  });
  // ssh takes the first User that it finds.
  return [
    '# Written by "banger ssh-config", which overwrites changes.',
    includeLine(loginUsersFile),
    `Host ${HOSTS}`,
    ...lines,
    '',
  ].join('\n');
}

/** The program that the ProxyCommand of a {@link sshStanza} starts; undefined when it is not recognised. */
export function programOf(stanza: string): string | undefined {
  const [, command] = /^ *ProxyCommand (.*)$/m.exec(stanza) ?? [];
  if (!command?.endsWith(` ${PROXY_WORDS}`)) return undefined;
  const words = proxyArgv(command.slice(0, -PROXY_WORDS.length));
  return words.find((word, index) => !(index === 0 && word === 'env') && !/^XDG_[A-Z_]+=/.test(word));
}
