import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { messageOf } from '../../src/base/errors.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { type Bench, inGuest, listVms } from './bench.ts';
import { readFacts, SHOW_FACTS } from './guest-commands.ts';
import {
  afterAnswer,
  type GuestModel,
  problemsOnDisks,
  problemsWhileRunning,
  settled,
} from './guest-model.ts';
import type { VmModel, WorldModel } from './world-model.ts';

/**
 * Finds out which of `outcomes` is the case by looking into the VMs `names`, and returns that world with its
 * open questions settled.
 *
 * @throws {Error} when none is the case; it says what is wrong with each.
 */
export async function observe(
  bench: Bench,
  outcomes: readonly WorldModel[],
  names: ReadonlySet<string>,
): Promise<WorldModel> {
  const shown = await listVms(bench);
  const tags = new Map<string, string[]>();
  for (const { name } of shown.filter((vm) => names.has(vm.name))) {
    // A VM that cannot have a server process is not asked.
    const mayHave = outcomes.some((world) => world.get(name)?.snapshots.size);
    tags.set(name, mayHave ? await tagsOf(bench, name) : []);
  }
  const problems: string[] = [];
  let candidates = outcomes.filter((world) => {
    const found = stateProblems(world, { shown, tags });
    problems.push(...found);
    return found.length === 0;
  });
  if (candidates.length === 0) throw new Error(`no possible state:\n${unique(problems)}`);
  for (const vm of shown.filter(({ name }) => names.has(name))) {
    candidates = await lookInto(bench, vm, candidates);
  }
  const [world] = candidates;
  if (!world) throw new Error('no possible outcome is left');
  return world;
}

/** The worlds that match the content of the VM, with that settled. */
async function lookInto(bench: Bench, vm: Vm, worlds: readonly WorldModel[]): Promise<WorldModel[]> {
  const look = vm.state === 'running' ? await lookIntoRunning(bench, vm) : await lookAtDisks(bench, vm);
  const problems: string[] = [...(await strayFiles(bench, vm))];
  if (problems.length > 0)
    throw new Error(`vm "${vm.name}" (${vm.id}) has left behind: ${problems.join(', ')}`);
  const fitting = worlds.flatMap((world): WorldModel[] => {
    const model = world.get(vm.name);
    if (!model) return [];
    const { guest, wrong } = look(model);
    problems.push(...wrong);
    return wrong.length === 0 ? [new Map(world).set(vm.name, { ...model, guest })] : [];
  });
  if (fitting.length === 0) throw new Error(`vm "${vm.name}" (${vm.id}, ${vm.state}):\n${unique(problems)}`);
  return fitting;
}

type Look = (model: VmModel) => { guest: GuestModel; wrong: string[] };

async function lookIntoRunning(bench: Bench, { name }: Vm): Promise<Look> {
  const shown = await inGuest(bench, { vm: name, argv: SHOW_FACTS }).catch((error: unknown) => {
    throw new Error(`vm "${name}" does not show what it has: ${messageOf(error)}`, { cause: error });
  });
  const { hostName, answer, files } = await readFacts(shown);
  return (model) => {
    const guest = afterAnswer(model.guest);
    const wrong = problemsWhileRunning(guest, files);
    const wanted = String(guest.answered ?? 'none');
    if (answer !== wanted) wrong.push(`its server answers "${answer}" instead of "${wanted}"`);
    if (hostName !== name) wrong.push(`its host name is "${hostName}"`);
    return { guest, wrong };
  };
}

async function lookAtDisks({ lab, disks }: Bench, { id }: Vm): Promise<Look> {
  const files = await disks.read(join(lab.paths.vmsDir, id));
  return ({ guest, state }) => {
    const wrong = problemsOnDisks(guest, files);
    return { guest: state === 'suspended' ? guest : settled(guest, files), wrong };
  };
}

async function tagsOf({ client }: Bench, name: string): Promise<string[]> {
  const listed = await client.listSnapshots(name, { signal: neverAborts() });
  return listed.map(({ tag }) => tag).sort();
}

function stateProblems(
  world: WorldModel,
  { shown, tags }: { shown: readonly Vm[]; tags: ReadonlyMap<string, readonly string[]> },
): string[] {
  const is = shown.map(({ name, state }) => `${name} ${state} ${tags.get(name) ?? ''}`).sort();
  const wanted = [...world.values()]
    .map(
      ({ name, state, snapshots }) =>
        `${name} ${state} ${tags.has(name) ? [...snapshots.keys()].sort() : ''}`,
    )
    .sort();
  const [text, wantedText] = [is.join('; '), wanted.join('; ')];
  return text === wantedText ? [] : [`the VMs are [${text}] instead of [${wantedText}]`];
}

/** Files in a VM's folder that it should not have when no operation is in progress. */
async function strayFiles({ lab }: Bench, { id, state }: Vm): Promise<string[]> {
  const dir = join(lab.paths.vmsDir, id);
  const names = await readdir(dir);
  const known = ['console.log', 'vmm.log', 'overlay.qcow2', 'work.qcow2', 'snapshots'];
  if (state === 'suspended') known.push('suspended');
  const strays = names.filter((name) => !known.includes(name) && !name.startsWith('drives-'));
  for (const name of names.filter((one) => one.startsWith('drives-'))) {
    if ((await readdir(join(dir, name))).length === 0) strays.push(`${name} (empty)`);
  }
  return strays;
}

function unique(lines: readonly string[]): string {
  return [...new Set(lines)].map((line) => `  ${line}`).join('\n');
}
