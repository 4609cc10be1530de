import type { StoredTemplate } from '../../core/ports/templates.ts';
import { findTemplate } from '../../core/vms/saved/find-template.ts';
import { pruneTemplates } from '../../core/vms/saved/prune-cache.ts';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/template.ts';
import { jsonRoute, type Route } from '../http/route.ts';

/** The API of warm templates. */
export const TEMPLATE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/templates',
    summary: 'All warm templates, the most recently used first',
    answer: schemas.templateList,
    run: async ({ app }) => ({ templates: (await app.world.templates.list()).map(templateView) }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/templates/:key',
    summary: 'One warm template',
    answer: schemas.template,
    run: async ({ app, params }) => templateView(await findTemplate(app.world, params['key'] ?? '')),
  }),
  jsonRoute({
    method: 'DELETE',
    path: '/templates/:key',
    summary: 'Delete a warm template; VMs that were made from it do not need it',
    answer: done,
    run: async ({ app, params }) => {
      const { key } = await findTemplate(app.world, params['key'] ?? '');
      await app.world.templates.delete(key);
      await app.world.pool?.drop([key]);
      return {};
    },
  }),
  jsonRoute({
    method: 'POST',
    path: '/templates/prune',
    summary: 'Delete the least recently used warm templates until the rest fits in the disk budget',
    body: schemas.pruneTemplatesRequest,
    answer: schemas.prunedTemplates,
    run: async ({ app, body }) => {
      const keys = await pruneTemplates(app.world, body);
      if (!body.dryRun) await app.world.pool?.drop(keys);
      return { keys };
    },
  }),
];

function templateView({ key, facts, diskBytes, createdAt, lastUsedAt }: StoredTemplate): schemas.Template {
  const { imageName, kernelName, arch, shape, vmm } = facts;
  return {
    key,
    image: imageName,
    kernel: kernelName,
    ...(arch === undefined ? {} : { arch }),
    shape,
    vmm,
    diskBytes,
    createdAt,
    lastUsedAt,
  };
}
