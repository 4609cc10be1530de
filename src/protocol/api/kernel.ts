import {
  closedObject,
  extensibleOneOf,
  list,
  object,
  oneOf,
  optional,
  someText,
  text,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { PLATFORMS } from '../image/platform.ts';
import { absolutePath, arch, bytes, time } from './common.ts';

const kernelFields = {
  name: text(),
  release: text(),
  arch,
  diskBytes: bytes(),
  createdAt: time(),
  origin: optional(
    object({
      kind: extensibleOneOf(['package', 'file']),
      from: optional(text('path on this host; absent for a package')),
    }),
  ),
  kept: optional(truth('it was pulled or imported, so only banger kernel rm deletes it')),
};

/** A kernel. */
export const kernel = object(kernelFields);
export type Kernel = ValueOf<typeof kernel>;

/** Answer of `GET /v1/kernels`. */
export const kernelList = object({ kernels: list(kernel) });

/** Answer of `GET /v1/kernels/NAME`. */
export const shownKernel = object({
  ...kernelFields,
  kernelFile: text('path on this host'),
  vmlinuxFile: optional(text('path of the same kernel as an ELF file; absent when there is none')),
  modulesFile: text('path of the file system with its modules'),
  images: list(text(), 'names of images whose VMs boot it'),
  vms: list(text(), 'names of VMs that boot it'),
});
export type ShownKernel = ValueOf<typeof shownKernel>;

/** A kernel that can be pulled. */
export const availableKernel = object({
  name: text('the name that it has when it is pulled'),
  release: text(),
  arch,
  downloadBytes: bytes('bytes of its package'),
  isPulled: truth('it is in the store'),
});
export type AvailableKernel = ValueOf<typeof availableKernel>;

/** Result of `POST /v1/kernels/available`. */
export const kernelCatalog = object({ kernels: list(availableKernel) });
export type KernelCatalog = ValueOf<typeof kernelCatalog>;

/** Body of `POST /v1/kernels/pull`. */
export const pullKernelRequest = closedObject({
  platform: optional(oneOf(PLATFORMS, "default: this host's")),
});
export type PullKernelRequest = ValueOf<typeof pullKernelRequest>;

/** Body of `POST /v1/kernels/import`. */
export const importKernelRequest = closedObject({
  name: someText(),
  path: absolutePath,
  modules: optional(absolutePath),
  config: optional(absolutePath),
});
export type ImportKernelRequest = ValueOf<typeof importKernelRequest>;
