import { openDaemonLab } from '../../support/daemon-lab.ts';
import { describeDaemonApi } from './api-suite.ts';

describeDaemonApi('real', async () => {
  const lab = await openDaemonLab();
  await lab.start();
  return lab;
});
