import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../program/command.ts';

/** `banger completion` */
export const completion = defineCommand({
  path: ['completion'],
  summary: 'print a completion script for a shell',
  description:
    'Prints a script that completes commands, options, and the names of VMs and images. Names come from the daemon if it is running; completion never starts it.',
  examples: [
    { command: 'source <(banger completion bash)', does: 'In bash; put the line into ~/.bashrc.' },
    {
      command: 'source <(banger completion zsh)',
      does: 'In zsh, after compinit; put the line into ~/.zshrc.',
    },
    { command: 'banger completion fish | source', does: 'In fish; put the line into config.fish.' },
  ],
  args: [{ name: 'shell', summary: 'bash, zsh or fish', isRequired: true, kind: ['bash', 'fish', 'zsh'] }],
  options: {},
  async run({ args: [shell = ''] }, context) {
    const { COMPLETION_SCRIPTS } = await import('./scripts.ts');
    const script = Object.hasOwn(COMPLETION_SCRIPTS, shell) ? COMPLETION_SCRIPTS[shell] : undefined;
    if (script === undefined) {
      throw new AppError(
        'USAGE_ARGUMENTS',
        `Cannot print a completion script for "${shell}": it is not a known shell`,
        {
          hint: `use one of ${Object.keys(COMPLETION_SCRIPTS).join(', ')}`,
          details: { field: 'shell', value: shell },
        },
      );
    }
    await context.print(script);
    return 0;
  },
});
