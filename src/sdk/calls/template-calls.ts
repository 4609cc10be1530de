import type { Abortable } from '../../base/abort.ts';
import {
  type PruneTemplatesRequest,
  prunedTemplates,
  type Template,
  template,
  templateList,
} from '../../protocol/api/template.ts';
import { templatePath } from '../paths.ts';
import type { Caller } from './caller.ts';

/** Warm templates. */
export interface TemplateCalls {
  /** All templates, the most recently used first. */
  listTemplates(options: Abortable): Promise<Template[]>;
  /** `key` may be a unique prefix. */
  showTemplate(key: string, options: Abortable): Promise<Template>;
  deleteTemplate(key: string, options: Abortable): Promise<void>;
  /** Deletes templates beyond the disk budget, or `all`; returns the keys of the deleted ones. */
  pruneTemplates(request: PruneTemplatesRequest, options: Abortable): Promise<string[]>;
}

/** {@link TemplateCalls} over one transport. */
export function templateCalls(caller: Caller): TemplateCalls {
  return {
    listTemplates: async (options) => (await caller.get('/templates', templateList, options)).templates,
    showTemplate: async (key, options) => await caller.get(templatePath(key), template, options),
    deleteTemplate: async (key, options) => await caller.settle('DELETE', templatePath(key), options),
    pruneTemplates: async (body, { signal }) =>
      (await caller.post('/templates/prune', prunedTemplates, { body, signal })).keys,
  };
}
