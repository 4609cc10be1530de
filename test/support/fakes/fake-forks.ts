import type { ServerResponse } from 'node:http';
import { JSON_LINES_TYPE } from '../../../src/protocol/events.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { type FakeDaemon, fakeVm, type SeenRequest, sendEvents } from './fake-daemon.ts';

/** What a fake daemon saw of forks. */
export interface FakeForks {
  /** of which VM, and how many, in order */
  asked: { of: string; count: number }[];
  /** the most that existed at one time */
  mostAtOnce: number;
  /** names of those that exist now */
  left(): string[];
}

/** Makes a fake daemon answer forks of `source`, and of its forks, with VMs that their leases delete. */
export function serveForks(daemon: FakeDaemon, source: Vm): FakeForks {
  const alive = new Set<string>();
  let made = 0;
  const forks: FakeForks = {
    asked: [],
    mostAtOnce: 0,
    left: () => [...daemon.vms.values()].filter(({ id }) => alive.has(id)).map(({ name }) => name),
  };
  const fork = (of: Vm) => async (request: SeenRequest, response: ServerResponse) => {
    const { count = 1 } = request.body as { count?: number };
    forks.asked.push({ of: of.name, count });
    const vms = Array.from({ length: count }, () => {
      made += 1;
      const vm = fakeVm({ ...of, id: `f0${String(made).padStart(10, '0')}`, name: `${source.name}-${made}` });
      vm.ephemeral = true;
      daemon.vms.set(vm.id, vm);
      alive.add(vm.id);
      answer(vm);
      return vm;
    });
    forks.mostAtOnce = Math.max(forks.mostAtOnce, forks.left().length);
    response.writeHead(200, { 'content-type': JSON_LINES_TYPE });
    // A copy of a real VM takes its time too, and fails when that VM is deleted meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (!daemon.vms.has(of.id)) return void response.destroy();
    response.write(`${JSON.stringify({ event: 'result', value: { vms, pausedMs: 1 } })}\n`);
    response.once('close', () => {
      for (const { id } of vms) if (daemon.vms.get(id)?.ephemeral) daemon.vms.delete(id);
    });
  };
  const answer = (vm: Vm): void => {
    for (const ref of [vm.name, vm.id]) {
      daemon.answers.set(`POST /v1/vms/${ref}/fork`, fork(vm));
      daemon.answers.set(`POST /v1/vms/${ref}/keep`, (_request, response) => {
        const kept = { ...vm, ephemeral: false };
        daemon.vms.set(vm.id, kept);
        sendEvents(response, [{ event: 'result', value: kept }]);
      });
    }
  };
  answer(source);
  return forks;
}
