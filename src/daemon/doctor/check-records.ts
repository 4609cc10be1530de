import type { Check } from './check.ts';

/** Records can be read. */
export const checkRecords: Check = {
  name: 'records',
  async run({ world, settings }) {
    const records = world.records.list();
    const running = records.filter(({ state }) => state === 'running').length;
    return {
      status: 'pass',
      message: `${records.length} VMs, ${running} of them running, in ${settings.paths.recordsFile}`,
      details: records.map(({ name, id, state }) => `${name} ${id} ${state}`),
    };
  },
};
