import { closedObject, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { vmShape } from '../vm.ts';
import { arch, bytes, time } from './common.ts';

/** A warm template: a saved guest that had booted and become idle, from which VMs of one shape start. */
export const template = object({
  key: text('64 hex digits'),
  image: text(),
  kernel: text(),
  arch: optional(arch),
  shape: vmShape,
  vmm: text('name and version'),
  diskBytes: bytes(),
  createdAt: time(),
  lastUsedAt: time(),
});
export type Template = ValueOf<typeof template>;

/** Answer of `GET /v1/templates`. */
export const templateList = object({ templates: list(template) });

/** Body of `POST /v1/templates/prune`. */
export const pruneTemplatesRequest = closedObject({
  all: optional(truth('delete every template that is not in use, instead of those beyond the disk budget')),
  dryRun: optional(truth('only say which would be deleted')),
});
export type PruneTemplatesRequest = ValueOf<typeof pruneTemplatesRequest>;

/** Answer of `POST /v1/templates/prune`. */
export const prunedTemplates = object({ keys: list(text()) });
