import type { Arch } from '../../../protocol/image/platform.ts';

/** Architectures that guests can have, by their Debian names. */
export type GuestArch = Arch;
