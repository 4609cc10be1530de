import type { Check } from '../check.ts';

/** `ms` for a VMM to answer; a healthy one needs a millisecond. */
const VMM_DEADLINE_MS = 2_000;

/** This daemon holds every running VM, and its VMM answers. */
export const checkVms: Check = {
  name: 'vms',
  async run({ world }, { signal }) {
    const running = world.records.list().filter(({ state }) => state === 'running');
    const looked = await Promise.all(
      running.map(async ({ id, name, runtime }) => {
        const vm = world.live.get(id);
        if (await vm?.responds({ withinMs: VMM_DEADLINE_MS, signal })) return undefined;
        const pid = vm?.vmm.pid ?? runtime?.vmm.pid;
        return { name, problem: `the VMM of "${name}", process ${pid}, does not answer` };
      }),
    );
    const hung = looked.filter((one) => one !== undefined);
    if (hung.length === 0) return { status: 'pass', message: `${running.length} running, all answer` };
    return {
      status: 'fail',
      message: hung.map(({ problem }) => problem).join('; '),
      fix: `find out what holds it, or end it: banger vm kill ${hung.map(({ name }) => name).join(' ')}`,
    };
  },
};
