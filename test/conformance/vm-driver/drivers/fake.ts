import { createFakeVmDriver } from '../../../support/fake-vm-driver.ts';
import type { CreateDriver } from '../fixture.ts';

/** The fake with the test guest in place of the agent. */
export const createDriver: CreateDriver = ({ guestPath }) =>
  createFakeVmDriver({ guestArgv: (socketPath) => [String(guestPath), '--socket', socketPath] });
