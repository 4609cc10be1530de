import type { Route } from './http/route.ts';
import { ARTIFACT_ROUTES } from './routes/artifact-routes.ts';
import { DAEMON_ROUTES } from './routes/daemon-routes.ts';
import { FILE_ROUTES } from './routes/file-routes.ts';
import { IMAGE_ROUTES } from './routes/image-routes.ts';
import { JOB_ROUTES } from './routes/job-routes.ts';
import { KERNEL_ROUTES } from './routes/kernel-routes.ts';
import { NAME_ROUTES } from './routes/name-routes.ts';
import { NETWORK_ROUTES } from './routes/network-routes.ts';
import { openApiRoute } from './routes/openapi.ts';
import { OPERATION_ROUTES } from './routes/operation-routes.ts';
import { PULL_ROUTES } from './routes/pull-routes.ts';
import { SNAPSHOT_ROUTES } from './routes/snapshot-routes.ts';
import { TEMPLATE_ROUTES } from './routes/template-routes.ts';
import { USAGE_ROUTES } from './routes/usage-routes.ts';
import { VM_ROUTES } from './routes/vm-routes.ts';
import { WORKSPACE_ROUTES } from './routes/workspace-routes.ts';

const PRODUCT_ROUTES: readonly Route[] = [
  ...DAEMON_ROUTES,
  ...VM_ROUTES,
  ...FILE_ROUTES,
  ...USAGE_ROUTES,
  ...JOB_ROUTES,
  ...IMAGE_ROUTES,
  ...ARTIFACT_ROUTES,
  ...KERNEL_ROUTES,
  ...NAME_ROUTES,
  ...NETWORK_ROUTES,
  ...OPERATION_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...TEMPLATE_ROUTES,
  ...WORKSPACE_ROUTES,
  ...PULL_ROUTES,
];

/** Every route of the API; add one to the list of its area. */
export const ROUTES: readonly Route[] = [...PRODUCT_ROUTES, openApiRoute(PRODUCT_ROUTES)];
