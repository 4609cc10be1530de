import { createGuestConnector } from '../../src/adapters/guest/connector.ts';
import { type Abortable, sleep } from '../../src/base/abort.ts';
import { abortable } from '../../src/base/async.ts';
import { AppError } from '../../src/base/errors.ts';
import type { GuestAgent, GuestConnector } from '../../src/core/ports/guest.ts';
import type { NetworkSpec } from '../../src/core/ports/vmm/network.ts';
import type { RunningVm, VmmActivity } from '../../src/core/ports/vmm/running-vm.ts';
import type { Personalisation } from '../../src/protocol/guest.ts';

/** `ms` between two looks at which ports guests seem to listen on. */
const PORTS_EVERY_MS = 20;

/** What guests were asked to do, and how they behave. */
export interface HostGuests {
  personalised: Personalisation[];
  syncCount: number;
  /** the network settings that were changed while they ran */
  natCalls: boolean[];
  /** the latest of them, whole */
  network?: NetworkSpec;
  /** the error of the next such change */
  natError?: AppError | undefined;
  /** replaces the personalisation before the guest gets it */
  tamper?: ((personalisation: Personalisation) => Personalisation) | undefined;
  /** the clock that guests report, in `ms`; absent: the real one */
  answeredClock?: ((personalisation: Personalisation) => number) | undefined;
  /** callbacks for when a guest runs again after a pause */
  resumes?: Set<() => void>;
  /** while set, guests are not ready before it settles */
  readyGate?: Promise<void> | undefined;
  /** the protocol generation that agents report; absent: the real one */
  agentGeneration?: number | undefined;
  /** the host does not speak that generation, so no link can be opened */
  isForeign?: boolean;
  /** free memory of the host; absent: more than enough */
  freeMemoryBytes?: number | undefined;
  /** while set, personalising a guest waits until it settles */
  personaliseGate?: Promise<void> | undefined;
  /** the error with which the VMM refuses to restore a saved guest */
  restoreError?: AppError | undefined;
  /** the error of each sync */
  syncError?: AppError | undefined;
  /** agents no longer answer, as if their guests hung */
  isSilent?: boolean;
  /** guests report that no user program runs in them */
  isIdle?: boolean;
  /** how many guests were asked to power off */
  powerOffCount?: number;
  /** while set, a sync waits until it settles */
  syncGate?: Promise<void> | undefined;
  /** how many syncs have reached the gate */
  gatedSyncCount?: number;
  /** the reported reason for which VMMs ended in an orderly way */
  endedBy?: RunningVm['end'];
  /** the activity that VMMs report; absent: the real one */
  activity?: (() => VmmActivity) | undefined;
  /** while set, copying or saving a running guest waits until it settles */
  copyGate?: Promise<void> | undefined;
  /** the ports on which guests seem to listen */
  ports?: Set<number>;
  /** processes that guests can make connect; absent: none */
  vmmPids?: number[];
  /** agents cannot watch ports */
  hasOldAgent?: boolean;
  /** the error of the next personalisation */
  personaliseError?: AppError | undefined;
}

/**
 * Connects to real agents that run on this host. Requests that would change the host itself (file systems,
 * power) are recorded and not passed on. The files of a personalisation go to a folder of the agent.
 */
export function createHostGuestConnector(guests: HostGuests): GuestConnector {
  const connector = createGuestConnector();
  return {
    async connect(endpoint, options) {
      const agent = await connector.connect(endpoint, options);
      if (guests.isForeign) {
        await agent[Symbol.asyncDispose]();
        throw new AppError('GUEST_GENERATION', 'The guest agent is of another generation');
      }
      const harmless: Partial<GuestAgent> = {
        async health(options: Abortable) {
          if (guests.isSilent) return await abortable(new Promise<never>(() => {}), options.signal);
          const health = await agent.health(options);
          return { ...health, generation: guests.agentGeneration ?? health.generation };
        },
        async personalise(personalisation, options) {
          if (guests.personaliseGate) await abortable(guests.personaliseGate, options.signal);
          if (guests.personaliseError) throw guests.personaliseError;
          guests.personalised.push(personalisation);
          const answer = await agent.personalise(
            guests.tamper?.(personalisation) ?? personalisation,
            options,
          );
          return guests.answeredClock
            ? { ...answer, wallClockMs: guests.answeredClock(personalisation) }
            : answer;
        },
        async ready({ signal }: Abortable) {
          if (guests.readyGate) await abortable(guests.readyGate, signal);
          return await agent.ready({ signal });
        },
        // The real one reports what listens on this host, forwarded ports included.
        async *watchPorts({ signal }: Abortable) {
          for (let before: string | undefined; ; await sleep(PORTS_EVERY_MS, { signal })) {
            const ports = guests.ports ?? new Set();
            const now = [...ports].join();
            if (now !== before) yield new Set(ports);
            before = now;
            if (guests.hasOldAgent) return;
          }
        },
        // The default user is root, as whom only an agent with root's rights can run commands. The home does
        // not exist, so that login shells do not read the files of the user who runs the tests.
        run: ({ env, ...spec }, options) =>
          agent.run(
            { user: String(process.geteuid?.()), ...spec, env: { HOME: '/nonexistent', ...env } },
            options,
          ),
        async sync({ signal }: Abortable) {
          if (guests.syncGate) {
            guests.gatedSyncCount = (guests.gatedSyncCount ?? 0) + 1;
            await abortable(guests.syncGate, signal);
          }
          if (guests.syncError) throw guests.syncError;
          guests.syncCount += 1;
          return guests.isIdle ? { programCount: 0 } : {};
        },
        async powerOff() {
          guests.powerOffCount = (guests.powerOffCount ?? 0) + 1;
          throw new AppError('GUEST_FAILED', 'This guest cannot be powered off');
        },
      };
      return new Proxy(agent, {
        get(target, key) {
          const own = Reflect.get(harmless, key);
          if (own) return own;
          const value = Reflect.get(target, key, target);
          // Not `bind`: this V8 does not accept a bound function as the dispose method of `await using`.
          return typeof value === 'function' ? (...args: unknown[]) => value.apply(target, args) : value;
        },
      });
    },
  };
}

/** Remembers a change of a guest's network. @throws {AppError} `natError` */
export function noteNat(guests: HostGuests, network: NetworkSpec): void {
  if (guests.natError) throw guests.natError;
  guests.natCalls.push(network.mode === 'user');
  guests.network = network;
}
