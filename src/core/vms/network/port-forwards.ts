import type { Abortable } from '../../../base/abort.ts';
import type { AppError } from '../../../base/errors.ts';
import { Slots } from '../../../base/slots.ts';
import type { VmState } from '../../../protocol/vm.ts';
import type { HostConnector, LocalConnection, PeerUsers, PortListeners } from '../../ports/loopback.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { VmNetwork, Vms } from '../world.ts';
import { ExposedPorts } from './exposed-ports.ts';
import type { ObservedRecords } from './observed-records.ts';
import { type ForwardTo, serveConnection } from './serve-connection.ts';
import { type ForwardedPort, VmForwards } from './vm-forwards.ts';
import type { WakeWorld } from './wake-vm.ts';
import { watchGuestPorts } from './watch-guest-ports.ts';

/**
 * Most connections of one VM that are passed on at once: fewer than its agent accepts, so that commands and
 * copies find room. Further ones wait, up to the second number; beyond that they are refused.
 */
const MAX_SERVED = 320;
const MAX_WAITING = 1_024;

/** What {@link PortForwards} needs. */
export interface PortForwardsOptions {
  world: WakeWorld & Pick<Vms, 'live' | 'log'> & Pick<VmNetwork, 'listening'>;
  records: ObservedRecords;
  listeners: PortListeners;
  peers: PeerUsers;
  host: HostConnector;
  forwardTo: ForwardTo;
  /** every listening port of a guest is forwarded; otherwise only explicit ones */
  isAutomatic: boolean;
  use: (vmId: string) => Disposable;
  ready: (vmId: string, options: Abortable) => Promise<void>;
}

interface Forwarded {
  exposed: ExposedPorts;
  ports: VmForwards;
  slots: Slots;
  openCount: number;
  /** ends the watch of a running guest */
  watch?: AbortController;
}

/** States in which a VM's ports listen. A VM that boots has none yet. */
const LISTENING: readonly VmState[] = ['running', 'suspending', 'suspended', 'resuming', 'starting'];

/**
 * Forwards the TCP ports of guests: each port on which something listens in a running guest listens on the
 * VM's address, too. Those of a suspended VM stay, and a connection resumes it.
 */
export class PortForwards {
  readonly #options: PortForwardsOptions;
  readonly #vms = new Map<string, Forwarded>();
  readonly #over = new AbortController();
  readonly #hooks: Disposable[];

  /** Begins. */
  constructor(options: PortForwardsOptions) {
    this.#options = options;
    this.#hooks = [
      options.records.listen((vmId) => this.#settle(vmId)),
      options.world.live.listenForAdd((vmId) => this.#settle(vmId)),
    ];
    for (const { id } of options.records.list()) this.#settle(id);
  }

  /** The forwarded ports of a VM, as far as they are known. */
  of(vmId: string): ForwardedPort[] {
    return this.#vms.get(vmId)?.ports.list() ?? [];
  }

  /** Whether a port of any VM listens, which only works while this program runs. */
  get isNeeded(): boolean {
    return [...this.#vms.values()].some(({ ports }) => ports.size > 0);
  }

  /** Whether there are VMs to which connections lead: they run, or a connection resumes them. */
  get hasReachableVms(): boolean {
    return this.#vms.size > 0;
  }

  /** Ends all connections and listens no more. Idempotent. */
  end(reason: AppError): void {
    this.#over.abort(reason);
    for (const hook of this.#hooks) hook[Symbol.dispose]();
    for (const vmId of [...this.#vms.keys()]) this.#drop(vmId);
  }

  /** Makes what listens fit the VM's record. */
  #settle(vmId: string): void {
    const { records, world, isAutomatic } = this.#options;
    const record = records.get(vmId);
    if (record?.guestIp === undefined || !LISTENING.includes(record.state)) {
      this.#drop(vmId);
      return;
    }
    const vm = this.#vms.get(vmId) ?? this.#add(record, record.guestIp);
    const forwards = record.forwards ?? [];
    vm.ports.setExplicit(forwards.filter((one) => !one.isReverse));
    const isUp = record.state === 'running' && world.live.get(vmId) !== undefined;
    vm.exposed.set(isUp ? forwards.filter((one) => one.isReverse) : []);
    if (!isAutomatic) return;
    if (!isUp) {
      vm.watch?.abort();
      delete vm.watch;
    } else if (!vm.watch) {
      const watch = new AbortController();
      vm.watch = watch;
      const onPorts = (guestPorts: ReadonlySet<number>): void => {
        world.listening.set(vmId, guestPorts);
        vm.ports.setListening(guestPorts);
      };
      void watchGuestPorts(world, record, { onPorts, signal: watch.signal });
    }
  }

  #add(record: VmRecord, address: string): Forwarded {
    const { listeners, world, host, use, isAutomatic } = this.#options;
    const { id: vmId, name } = record;
    const vm: Forwarded = {
      exposed: new ExposedPorts(world, { vmId, host, use }),
      slots: new Slots(MAX_SERVED),
      openCount: 0,
      ports: new VmForwards({
        address,
        listeners,
        onConnection: (connection, guestPort) => void this.#serve(vm, connection, { vmId, guestPort }),
        onFlood: () => {
          world.log.warn('a guest opens ports faster than they can be forwarded', { vmId, vm: name });
        },
      }),
    };
    this.#vms.set(vmId, vm);
    const isSaved = record.state === 'suspended' || record.state === 'resuming';
    if (isSaved && isAutomatic) vm.ports.setListening(new Set(record.listeningPorts ?? []));
    return vm;
  }

  #drop(vmId: string): void {
    const vm = this.#vms.get(vmId);
    this.#vms.delete(vmId);
    this.#options.world.listening.delete(vmId);
    vm?.watch?.abort();
    vm?.ports[Symbol.dispose]();
    vm?.exposed[Symbol.dispose]();
  }

  async #serve(
    vm: Forwarded,
    connection: LocalConnection,
    place: { vmId: string; guestPort: number },
  ): Promise<void> {
    const { world, peers, forwardTo, use, ready } = this.#options;
    if (vm.openCount >= MAX_SERVED + MAX_WAITING) {
      connection.reset();
      return;
    }
    vm.openCount += 1;
    try {
      const options = { forwardTo, peers, use, ready, slots: vm.slots, signal: this.#over.signal };
      await serveConnection(world, connection, { ...place, ...options });
    } catch (error) {
      world.log.debug('a connection to a forwarded port was not served', { ...place, error });
    } finally {
      vm.openCount -= 1;
    }
  }
}
