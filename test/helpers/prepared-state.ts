import { execFileSync } from 'node:child_process';
import { READ_SENT, READ_STATE } from '../../src/protocol/workspace-state.ts';
import type { Scratch } from './scratch-repository.ts';

/** The state of a copied repository as it was sent. */
export function preparedState(scratch: Scratch, guest: string): string {
  return stateOf(scratch, guest, `${READ_STATE}${READ_SENT}\nprintf '%s\\n' "$sent"`);
}

/** The state that the guest finds in it now. */
export function presentState(scratch: Scratch, guest: string): string {
  return stateOf(scratch, guest, `${READ_STATE}\nprintf '%s\\n' "$state"`);
}

function stateOf(scratch: Scratch, guest: string, script: string): string {
  const argv = ['-c', script, 'state', guest];
  return execFileSync('sh', argv, { env: scratch.env, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
}
