import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { CreateVmRequest, SetVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { VmNetwork } from '../../../protocol/vm.ts';
import type { EgressPolicies } from '../world.ts';
import { narrowPolicy } from './policy/narrow-policy.ts';
import { canonicalRule, resolvePolicy } from './policy/resolve-policy.ts';
import { changedSecrets, serversOf } from './requested-secrets.ts';

/**
 * The network that a request for a new VM asks for, in either spelling.
 *
 * @throws {AppError} REQUEST_INVALID when the two differ; what {@link resolvePolicy} and
 * {@link changedSecrets} throw.
 */
export async function networkOfNew(
  world: EgressPolicies,
  request: Pick<CreateVmRequest, 'network' | 'nat'>,
  { signal }: Abortable,
): Promise<VmNetwork> {
  const mode = modeOf(request) ?? 'none';
  const { policy, narrowTo, secrets: add = [] } = request.network ?? {};
  const secrets = await changedSecrets(world, {}, { add }, { signal });
  const allow = policy && [...policy.allow, ...serversOf(secrets)];
  const own = allow && (await resolvePolicy(world, allow, { signal }));
  const isNarrowed = narrowTo !== undefined && mode !== 'none';
  const narrowed = isNarrowed ? await narrowPolicy(world, own, { to: narrowTo, signal }) : own;
  return { mode, ...(narrowed ? { policy: narrowed } : {}), ...secrets };
}

/**
 * The network that a VM has after a change. Rules stay unless the request is about them. `undefined` when it
 * asks for no change.
 *
 * @throws {AppError} as {@link networkOfNew}; NETWORK_RULE_UNKNOWN for a rule to take away that is not there.
 */
export async function changedNetwork(
  world: EgressPolicies,
  present: VmNetwork,
  request: Pick<SetVmRequest, 'network' | 'nat'>,
  { signal }: Abortable,
): Promise<VmNetwork | undefined> {
  const mode = modeOf(request);
  if (mode === undefined) return undefined;
  const { allow, add = [], remove = [], lift } = request.network?.policy ?? {};
  const { secrets: former, authority, ...others } = present;
  const change = request.network?.secretChange;
  const secrets = change
    ? await changedSecrets(world, present, change, { signal })
    : { ...(former ? { secrets: former } : {}), ...(authority === undefined ? {} : { authority }) };
  if (lift) return { mode, ...secrets };
  // A VM without rules and without a network gets the servers of its first secrets, and no others.
  const isFirst = present.mode === 'none' && !present.policy && change?.add !== undefined;
  const servers = present.policy || allow || isFirst ? serversOf(secrets) : [];
  const added = change?.add?.length ? servers.filter((each) => !serversOf(present).includes(each)) : [];
  const isChanged = allow !== undefined || add.length > 0 || remove.length > 0 || added.length > 0;
  if (!isChanged) return { ...others, mode, ...secrets };
  const kept = new Set((allow ?? present.policy?.allow ?? []).map((text) => canonicalRule(world, text)));
  for (const text of remove) {
    if (!kept.delete(canonicalRule(world, text))) throw unknownRule(text, [...kept]);
  }
  return { mode, policy: await resolvePolicy(world, [...kept, ...add, ...added], { signal }), ...secrets };
}

function modeOf({
  network,
  nat,
}: {
  network?: { mode: VmNetwork['mode'] } | undefined;
  nat?: boolean | undefined;
}): VmNetwork['mode'] | undefined {
  if (nat === undefined) return network?.mode;
  const mode = nat ? 'user' : 'none';
  if (network && network.mode !== mode) {
    throw new AppError(
      'REQUEST_INVALID',
      `Cannot use both: "network" is "${network.mode}", and "nat" is ${nat}`,
      {
        hint: 'leave "nat" out',
      },
    );
  }
  return mode;
}

function unknownRule(text: string, rules: readonly string[]): AppError {
  const present = rules.length > 0 ? `its rules are ${rules.join(', ')}` : 'it has no rules';
  return new AppError('NETWORK_RULE_UNKNOWN', `Cannot take away rule ${JSON.stringify(text)}: ${present}`, {
    hint: 'banger vm network NAME shows the rules',
    details: { rule: text },
  });
}
