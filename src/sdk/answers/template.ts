import type { Template } from '../../protocol/api/template.ts';
import { type GuardOf, isNumber, isText, listOf, shapeOf } from '../guards.ts';
import { isShape } from './vm.ts';

/** A warm template. */
export const isTemplate: GuardOf<Template> = shapeOf<Template>({
  key: isText,
  image: isText,
  kernel: isText,
  shape: isShape,
  vmm: isText,
  diskBytes: isNumber,
  createdAt: isText,
  lastUsedAt: isText,
});

/** Answer of `GET /v1/templates`. */
export const isTemplateList: GuardOf<{ templates: Template[] }> = shapeOf<{ templates: Template[] }>({
  templates: listOf(isTemplate),
});

/** Answer of `POST /v1/templates/prune`. */
export const isPruned: GuardOf<{ keys: string[] }> = shapeOf<{ keys: string[] }>({ keys: listOf(isText) });
