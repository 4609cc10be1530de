import type { DoctorCheck } from '../../../protocol/api/daemon.ts';
import { type ClockReading, DRAW_COUNT, type GuestFacts, SOURCES, type Source } from './guest-facts.ts';

/** Maximum difference between a guest's clock and the host's. */
const CLOCK_TOLERANCE_MS = 100;

/** Returns what the guests' answers prove or disprove. Pure. */
export function verdictsOf(guests: readonly GuestFacts[]): DoctorCheck[] {
  return [
    ...SOURCES.map((source) => drawsDiffer(guests, source)),
    differ('machine ids', guests, ({ machineIds }) => machineIds),
    differ('ssh host keys', guests, ({ sshHostKeys }) => sshHostKeys),
    bootIds(guests),
    clocksAgree(guests),
  ];
}

function drawsDiffer(guests: readonly GuestFacts[], source: Source): DoctorCheck {
  const name = `random: ${source}`;
  const perGuest = guests.map(({ draws }) => draws.get(source) ?? []);
  if (perGuest.every(({ length }) => length === 0)) {
    return { name, status: 'warn', message: `the image has no ${source}: nothing was checked` };
  }
  const all = perGuest.flat();
  if (perGuest.some(({ length }) => length !== DRAW_COUNT)) {
    return {
      name,
      status: 'fail',
      message: `${all.length} numbers drawn instead of ${guests.length} times ${DRAW_COUNT}`,
    };
  }
  const collisions = all.length - new Set(all).size;
  return collisions === 0
    ? { name, status: 'pass', message: `${guests.length} times ${DRAW_COUNT} numbers, all different` }
    : { name, status: 'fail', message: `${collisions} of ${all.length} numbers occurred more than once` };
}

/** Checks that each guest has one or more values and shares none of them with another. */
function differ(
  name: string,
  guests: readonly GuestFacts[],
  valuesOf: (guest: GuestFacts) => readonly string[],
): DoctorCheck {
  const perGuest = guests.map((guest) => new Set(valuesOf(guest)));
  const without = guests.filter((_, index) => perGuest[index]?.size === 0);
  if (without.length > 0) {
    return {
      name,
      status: 'fail',
      message: `${without.map((guest) => guest.name).join(', ')} reported none`,
    };
  }
  const all = perGuest.flatMap((values) => [...values]);
  const shared = all.find((value, index) => all.indexOf(value) !== index);
  return shared === undefined
    ? { name, status: 'pass', message: `${guests.length} guests, all different` }
    : { name, status: 'fail', message: `more than one guest has "${shared}"` };
}

/**
 * The only id that clones of a template share. A file could be mounted over it, but journald keeps the id
 * from its start: `journalctl -b` and `systemctl status` would then find no entry.
 */
function bootIds(guests: readonly GuestFacts[]): DoctorCheck {
  const name = 'boot ids';
  const known = guests.map(({ bootId }) => bootId).filter((id) => id !== '');
  if (known.length < guests.length) return { name, status: 'warn', message: 'a guest reported none' };
  return {
    name,
    status: 'pass',
    message:
      new Set(known).size === known.length
        ? `${known.length} guests, all different`
        : 'shared, as expected: the kernel keeps the boot id of the template; machine ids tell VMs apart',
  };
}

/** A reading is certainly off, certainly right, or took too long to decide. */
function clocksAgree(guests: readonly GuestFacts[]): DoctorCheck {
  const name = 'clocks';
  const least = ({ offsetMs, uncertaintyMs }: ClockReading): number => Math.abs(offsetMs) - uncertaintyMs;
  const most = ({ offsetMs, uncertaintyMs }: ClockReading): number => Math.abs(offsetMs) + uncertaintyMs;
  const off = guests.find(({ clock }) => least(clock) > CLOCK_TOLERANCE_MS);
  if (off) {
    return {
      name,
      status: 'fail',
      message: `"${off.name}" is ${Math.round(least(off.clock))} ms or more off the host's time`,
    };
  }
  const worstMs = Math.ceil(Math.max(...guests.map(({ clock }) => most(clock))));
  return worstMs <= CLOCK_TOLERANCE_MS
    ? { name, status: 'pass', message: `within ${worstMs} ms of the host's time` }
    : {
        name,
        status: 'warn',
        message: `within ${worstMs} ms of the host's time: commands take too long here for a more exact result`,
      };
}
