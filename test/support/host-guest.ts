import { createGuestConnector } from '../../src/adapters/guest/connector.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { abortable } from '../../src/base/async.ts';
import { AppError } from '../../src/base/errors.ts';
import type { GuestAgent, GuestConnector } from '../../src/core/ports/guest.ts';
import type { RunningVm, VmmActivity } from '../../src/core/ports/vmm/running-vm.ts';
import type { Personalisation } from '../../src/protocol/guest.ts';

/** What guests were told, and how they behave. */
export interface HostGuests {
  personalised: Personalisation[];
  syncCount: number;
  /** what their networks were set to while they ran */
  natCalls: boolean[];
  /** what the next of those fails with */
  natError?: AppError | undefined;
  /** changes what guests are personalised with */
  tamper?: ((personalisation: Personalisation) => Personalisation) | undefined;
  /** what guests say that their clock is, in `ms`; absent: the truth */
  answeredClock?: ((personalisation: Personalisation) => number) | undefined;
  /** what is to be called when a guest runs again after a pause */
  resumes?: Set<() => void>;
  /** while set, guests become ready only when it settles */
  readyGate?: Promise<void> | undefined;
  /** what agents say that their generation is; absent: the truth */
  agentGeneration?: number | undefined;
  /** the host does not speak that: no link comes to be */
  isForeign?: boolean;
  /** the host's memory that is free; absent: more than enough */
  freeMemoryBytes?: number | undefined;
  /** while set, guests are made their own only when it settles */
  personaliseGate?: Promise<void> | undefined;
  /** what the VMM says of a saved guest that it is to bring back */
  restoreError?: AppError | undefined;
  /** what a sync fails with */
  syncError?: AppError | undefined;
  /** agents answer nothing any more: their guests stand still */
  isSilent?: boolean;
  /** guests say that no program of anybody's runs in them */
  isIdle?: boolean;
  /** guests that were asked to power off */
  powerOffCount?: number;
  /** while set, a sync ends only when it settles */
  syncGate?: Promise<void> | undefined;
  /** syncs that have come to the gate */
  gatedSyncCount?: number;
  /** who is said to have ended VMMs in order */
  endedBy?: RunningVm['end'];
  /** what VMMs are said to have done; absent: the truth */
  activity?: (() => VmmActivity) | undefined;
  /** while set, copying or saving a guest that runs begins only when it settles */
  copyGate?: Promise<void> | undefined;
  /** what the next personalisation fails with */
  personaliseError?: AppError | undefined;
}

/**
 * Connects to real agents that run on this host, and keeps from them what would change the host: file
 * systems, power. That is noted instead. What they are personalised with goes to a folder of theirs.
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
        // An agent that is not root runs nothing as root, who is the default. A login shell reads nothing of
        // the user who runs the tests.
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
          // Not `bind`: this V8 takes no bound function for the dispose method of `await using`.
          return typeof value === 'function' ? (...args: unknown[]) => value.apply(target, args) : value;
        },
      });
    },
  };
}
