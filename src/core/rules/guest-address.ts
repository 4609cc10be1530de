/** How many blocks of 256 addresses 127.77.0.0/16 has. */
const BLOCK_COUNT = 256;

/** Addresses of a block that are used: .1 to .254, because some programs refuse the others. */
const PER_BLOCK = 254;

/** From one block of a user to the next: odd, so that the walk visits all, and far from the next users. */
const BLOCK_STEP = 97;

/**
 * Yields the loopback addresses for VMs of a user, best first: 127.77.x.y, each once. Users begin in
 * different blocks, so that their VMs rarely compete. `random` returns a number from 0 to below 1: in each
 * block the walk begins anywhere, so that the address of a deleted VM, which browsers remember, is not used
 * again soon.
 */
export function* guestAddresses({
  uid,
  random,
}: {
  uid: number;
  random: () => number;
}): Generator<string, void, undefined> {
  for (let nth = 0; nth < BLOCK_COUNT; nth += 1) {
    const block = (uid + nth * BLOCK_STEP) % BLOCK_COUNT;
    const start = Math.floor(random() * PER_BLOCK);
    for (let at = 0; at < PER_BLOCK; at += 1) yield `127.77.${block}.${((start + at) % PER_BLOCK) + 1}`;
  }
}
