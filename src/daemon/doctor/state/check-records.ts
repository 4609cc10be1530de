import { plural } from '../../../base/text/words.ts';
import type { Check } from '../check.ts';

/** Records can be read. */
export const checkRecords: Check = {
  name: 'records',
  async run({ world, settings }) {
    const records = world.records.list();
    const damaged = world.records.damaged();
    if (damaged.length > 0) {
      return {
        status: 'fail',
        message: `${damaged.length} of ${records.length + damaged.length} damaged, in ${settings.paths.recordsFile}`,
        details: damaged.map(({ name, id, problem }) => `${name} ${id}: ${problem}`),
        fix: `replace that file with a backup, or delete the VM: banger vm delete ${damaged[0]?.name}`,
      };
    }
    const running = records.filter(({ state }) => state === 'running').length;
    return {
      status: 'pass',
      message: `${plural(records.length, 'VM')}, ${running} of them running, in ${settings.paths.recordsFile}`,
      details: records.map(({ name, id, state }) => `${name} ${id} ${state}`),
    };
  },
};
