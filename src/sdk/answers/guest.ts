import type { GuestPath, Unpacked } from '../../protocol/guest.ts';
import { type GuardOf, isNumber, isText, shapeOf } from '../guards.ts';

/** Answer of `GET /v1/vms/REF/stat`. */
export const isGuestPath: GuardOf<GuestPath> = shapeOf<GuestPath>({ kind: isText, sizeBytes: isNumber });

/** Answer of `PUT /v1/vms/REF/files`. */
export const isUnpacked: GuardOf<Unpacked> = shapeOf<Unpacked>({ entries: isNumber, bytes: isNumber });
