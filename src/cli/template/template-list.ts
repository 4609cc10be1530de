import { defineCommand } from '../program/command.ts';

/** `banger template list` */
export const templateList = defineCommand({
  path: ['template', 'list'],
  summary: 'list warm templates',
  description:
    'Lists the saved guests that new VMs start from. There is one for each image and shape that was used; it is made on first use.',
  examples: [{ command: 'banger template list', does: 'The warm templates, the most recently used first.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print the templates as a JSON array' } },
  async run({ options }, context) {
    const templates = await (await context.client()).listTemplates({ signal: context.signal });
    if (options.json) await context.printJson(templates);
    else {
      const { templateTable } = await import('./render-templates.ts');
      await context.print(templateTable(templates, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
