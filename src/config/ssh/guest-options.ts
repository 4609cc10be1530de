import { quotedPath } from './quote.ts';

/** The files with which ssh(1) logs in to guests. */
export interface GuestLoginFiles {
  /** private key that guests accept */
  identityFile: string;
  /** host keys of the guests */
  knownHostsFile: string;
}

/**
 * Options of ssh_config(5) for every login to a guest, in order: ssh offers our key only, accepts the host
 * key that banger made only, and neither reads nor writes the user's own known_hosts files.
 */
export function guestOptions({
  identityFile,
  knownHostsFile,
}: GuestLoginFiles): readonly (readonly [name: string, value: string])[] {
  return [
    ['IdentityFile', quotedPath(identityFile)],
    ['IdentitiesOnly', 'yes'],
    ['PreferredAuthentications', 'publickey'],
    // The default of newer versions is slow in an emulated guest. It protects against recorded traffic, and
    // this traffic never leaves the host.
    ['KexAlgorithms', '^curve25519-sha256'],
    ['HostKeyAlgorithms', 'ssh-ed25519'],
    ['UserKnownHostsFile', quotedPath(knownHostsFile)],
    ['GlobalKnownHostsFile', 'none'],
    ['StrictHostKeyChecking', 'yes'],
    ['UpdateHostKeys', 'no'],
    ['CheckHostIP', 'no'],
  ];
}
