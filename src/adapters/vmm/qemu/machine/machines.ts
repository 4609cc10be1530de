import type { GuestArch } from '../../../../core/ports/images/guest-arch.ts';
import { AMD64 } from './amd64.ts';
import { ARM64 } from './arm64.ts';
import type { Machine } from './machine.ts';

/** One machine for each architecture. */
export const MACHINES: Readonly<Record<GuestArch, Machine>> = { amd64: AMD64, arm64: ARM64 };
