import { createClient } from '../../../src/sdk/client.ts';
import { openCliLab } from '../../support/cli/cli-harness.ts';
import { describeDaemonApi } from './api-suite.ts';

// This also tests the fake guest, in which the commands run.
describeDaemonApi('fake', async () => {
  const lab = await openCliLab();
  const client = createClient({ socketPath: lab.socketPath });
  return { client, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
});
