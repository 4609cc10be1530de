import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { linuxHostFacts } from '../../src/adapters/vmm/host-facts.ts';

/** The program `banger-host` of this checkout, as `npm run setup` builds it. */
export const BUILT_HOST_TOOLS = join(
  import.meta.dirname,
  `../../host/bin/banger-host-${linuxHostFacts().arch}`,
);

/** The agent, as a program of this machine. */
export function agentProgram(): string {
  const agent = join(import.meta.dirname, `../../agent/bin/banger-agent-${linuxHostFacts().arch}`);
  assert.ok(existsSync(agent), `${agent} is missing: npm run setup builds it`);
  return agent;
}
