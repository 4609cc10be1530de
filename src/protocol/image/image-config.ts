import { list, object, optional, record, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';

/**
 * What an image says about the programs in it, as the OCI image specification names it (config.md). Fields
 * that the image leaves out are absent.
 */
export const imageConfig = object({
  env: optional(list(text(), '`NAME=value`, for every command')),
  entrypoint: optional(list(text(), 'the first words of its own program')),
  cmd: optional(list(text(), 'the words after `entrypoint`, unless others are given')),
  user: optional(text('user of its own program, as `user`, `uid`, `user:group` or `uid:gid`')),
  workingDir: optional(text('folder in which its own program starts')),
  exposedPorts: optional(list(text(), 'ports that its own program listens on: `80/tcp`')),
  labels: optional(record('texts by their names')),
  stopSignal: optional(text('signal that ends its own program')),
});
export type ImageConfig = ValueOf<typeof imageConfig>;
