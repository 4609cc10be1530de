import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PREPARED_STATE, READ_STATE } from '../../src/protocol/workspace-state.ts';
import type { Scratch } from './scratch-repository.ts';

/** The state that the host has noted in a copied repository. */
export function preparedState(guest: string): string {
  return readFileSync(join(guest, '.git', PREPARED_STATE), 'utf8');
}

/** The state that the guest finds in it now. */
export function presentState(scratch: Scratch, guest: string): string {
  const argv = ['-c', `${READ_STATE}\nprintf '%s\\n' "$state"`, 'state', guest];
  return execFileSync('sh', argv, { env: scratch.env, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
}
