/** Architectures that guests can have, by their Debian names. */
export type GuestArch = 'amd64' | 'arm64';
