import { type Abortable, neverAborts, sleep } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { LearnedRules, NetworkVerdict } from '../../../protocol/api/network.ts';
import { parseEgressRule, ruleInvalid } from '../../../protocol/egress/egress-rule.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { findVm } from '../find-vm.ts';
import type { EgressPolicies, Vms } from '../world.ts';
import { networkOf } from './network-of.ts';
import { knownPresets } from './policy/resolve-policy.ts';

/**
 * What would happen if the guest connected to `target`: a rule for one port of one host.
 *
 * @throws {AppError} VM_NOT_FOUND, NETWORK_RULE_INVALID, NETWORK_OFF, NETWORK_LOST.
 */
export async function checkNetwork(
  world: Pick<Vms, 'records' | 'live'>,
  ref: string,
  { target, signal }: Abortable & { target: string },
): Promise<NetworkVerdict> {
  requireOnePort(target);
  const record = findVm(world.records, ref);
  const check = await world.live.get(record.id)?.checkNetwork(target, { signal });
  if (!check) throw networkOff(record, 'check');
  const { allowed, rule, reason, allow, steps } = check;
  const known = { ...(rule ? { rule } : {}), ...(reason ? { reason } : {}), ...(allow ? { allow } : {}) };
  return { allowed, ...known, steps: [...steps] };
}

/**
 * Allows a running guest everything outside for `forMs`, and returns the rules for what it used. Its own
 * rules are in force again when this returns or throws. After a daemon that died, the next one restores them.
 *
 * @throws {AppError} VM_NOT_FOUND, NETWORK_OFF, NETWORK_LOST, NETWORK_FAILED.
 */
export async function learnNetwork(
  world: Pick<Vms, 'records' | 'live' | 'locks'> & EgressPolicies,
  ref: string,
  { forMs, report, signal }: Task & { forMs: number },
): Promise<LearnedRules> {
  const { id } = findVm(world.records, ref);
  const presets = await knownPresets(world, { signal });
  const running = await begin(world, id, { presets, signal });
  try {
    report({ event: 'notice', message: 'the guest may reach everything outside this host until this ends' });
    await sleep(forMs, { signal });
    const learned = await running.learnedNetwork({ signal });
    if (!learned) throw networkOff(findVm(world.records, id), 'learn');
    const rules = learned.rules.map(({ rule, warnings = [], uses }) => ({
      rule,
      warnings: [...warnings],
      uses,
    }));
    return { rules, missed: learned.missed ?? 0 };
  } finally {
    await world.locks.run(id, () => restore(world, id, running), { action: 'change', signal: neverAborts() });
  }
}

async function begin(
  world: Pick<Vms, 'records' | 'live' | 'locks'>,
  id: string,
  { presets, signal }: Abortable & { presets: Awaited<ReturnType<typeof knownPresets>> },
): Promise<RunningVm> {
  const learn = async (): Promise<RunningVm> => {
    const record = findVm(world.records, id);
    const running = world.live.get(id);
    const spec = networkOf(record);
    if (!running || spec.mode === 'none') throw networkOff(record, 'learn');
    const policy = { mode: 'learn', rules: spec.policy?.rules ?? [], presets } as const;
    await running.setNetwork({ ...spec, policy }, { signal: neverAborts() });
    return running;
  };
  return await world.locks.run(id, learn, { action: 'change', signal });
}

async function restore(
  { records, live }: Pick<Vms, 'records' | 'live'>,
  id: string,
  running: RunningVm,
): Promise<void> {
  const record = records.get(id);
  // A VM that was started again meanwhile has its own rules.
  if (!record || live.get(id) !== running) return;
  await running.setNetwork(networkOf(record), { signal: neverAborts() });
}

function requireOnePort(text: string): void {
  const { target, ports } = parseEgressRule(text);
  const isOneHost = 'host' in target ? !target.isWildcard : target.bits === target.width;
  if (!isOneHost || ports.first !== ports.last) {
    throw ruleInvalid(text, 'it must be one port of one host, such as example.com:443');
  }
}

function networkOff({ name, state, network }: VmRecord, action: string): AppError {
  const why = state === 'running' ? `its network is ${network.mode}` : `it must be running, but is ${state}`;
  return new AppError('NETWORK_OFF', `Cannot ${action} the network of "${name}": ${why}`, {
    hint: state === 'running' ? `banger vm set --nat ${name}` : `banger vm start ${name}`,
    details: { state, mode: network.mode },
  });
}
