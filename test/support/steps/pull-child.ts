import { createGitWorkspacePulls } from '../../../src/adapters/workspace/pull/git-workspace-pulls.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { pullCommand } from '../../../src/core/vms/workspace/pull/pull-command.ts';
import { type PullJob, readInto } from '../../helpers/pull-lab.ts';
import { nullLog } from '../null-log.ts';

/*
 * Pulls, or takes the last pull back, as the daemon does: `node pull-child.ts pull|undo JOB`. A process of
 * its own, so that it can be killed.
 */

const [, , what, text = ''] = process.argv;
const { options, choice, guest } = JSON.parse(text) as PullJob;
const signal = neverAborts();
const pulls = createGitWorkspacePulls({ ...options, log: nullLog });
if (what === 'undo') await pulls.undo(choice.root, { signal });
else {
  await using pull = await pulls.open(choice, { signal });
  await readInto(options, pull, pullCommand(guest));
  await pull.plan({ signal });
  await pull.apply({ signal });
}
