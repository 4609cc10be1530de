import { closedObject, integer, oneOf, optional, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { absolutePath, flag } from './common.ts';

/** Longest time limit of a command, in `ms`: that of a timer, nearly 25 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Query of `POST /v1/vms/REF/exec`. */
export const execQuery = closedObject({
  timeoutMs: optional(
    integer('the guest ends the command and its descendants after so many ms', {
      minimum: 1,
      maximum: MAX_TIMEOUT_MS,
    }),
  ),
});
export type ExecQuery = ValueOf<typeof execQuery>;

/** Query of `GET /v1/vms/REF/stat`, and of `PUT /v1/vms/REF/files`: a path in the guest. */
export const guestPathQuery = closedObject({ path: absolutePath });
export type GuestPathQuery = ValueOf<typeof guestPathQuery>;

/** Query of `GET /v1/vms/REF/files`. */
export const readFilesQuery = closedObject({
  path: absolutePath,
  as: optional(text('name of the one entry that the archive then has')),
  sparse: optional(flag('mark sparse files in a way that banger reads and other programs warn about')),
});
export type ReadFilesQuery = ValueOf<typeof readFilesQuery>;

/** Query of `GET /v1/vms/REF/logs`. */
export const logsQuery = closedObject({
  kind: optional(oneOf(['console', 'vmm'], "the guest's console (default), or the VMM's own output")),
  follow: optional(flag('continue until the VM is deleted')),
});
export type LogsQuery = ValueOf<typeof logsQuery>;

/** Query of `POST /v1/vms/REF/tcp`. */
export const guestPortQuery = closedObject({ port: integer(undefined, { minimum: 1, maximum: 65_535 }) });
export type GuestPortQuery = ValueOf<typeof guestPortQuery>;
