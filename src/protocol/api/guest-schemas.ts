import { z } from 'zod';
import type { GuestPath, Unpacked } from '../guest.ts';
import { bytes, count, type Exact } from './common-schemas.ts';

/** What a path in a guest means. */
export const guestPath: Exact<GuestPath> = z.object({
  kind: z.enum(['file', 'directory', 'other']),
  sizeBytes: bytes,
});

/** What unpacking in a guest came to. */
export const unpacked: Exact<Unpacked> = z.object({ entries: count, bytes });
