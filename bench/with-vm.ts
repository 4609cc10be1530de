import type { Abortable } from '../src/base/abort.ts';
import type { Vm } from '../src/protocol/vm.ts';
import { resultOf } from '../src/sdk/work.ts';
import type { Lab } from './lab.ts';

/** Starts a VM of the default shape, calls `use` with it, and then deletes it. */
export async function withVm<T>(
  { client }: Lab,
  options: Abortable,
  use: (vm: Vm) => Promise<T>,
): Promise<T> {
  const vm = await resultOf(client.createVm({}, options));
  try {
    return await use(vm);
  } finally {
    await resultOf(client.deleteVm(vm.id, options));
  }
}
