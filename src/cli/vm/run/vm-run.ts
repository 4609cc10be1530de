import { defineCommand } from '../../program/command.ts';
import { RUN_OPTIONS } from './options.ts';
import type { RepositoryNetwork } from './repository-network.ts';

/** `banger vm run` */
export const vmRun = defineCommand({
  path: ['vm', 'run'],
  summary: 'make a VM and run a command or a shell in it',
  description: [
    'Makes a VM, copies the git working tree at <path> into it, and runs a command there; without a command, a login shell.',
    'Without <path> the VM has no working tree, and the command starts in /root. With <path> it starts in /root/repo, or in the subfolder there that matches the one you are in.',
    '',
    'The current state of the working tree is copied to /root/repo: tracked files with their uncommitted edits, untracked files with --include-untracked, never ignored files, and enough history for git to work. With --branch the guest creates a branch and switches to it; the edits are kept.',
    '',
    'An image from a registry says how its programs run: its environment variables are set for every command, and without a working tree, the command and the shell run as its user and in its folder. If it has no shell, banger vm run without a command starts the program that it names, as --entrypoint does.',
    '',
    'With --nat, mise installs the tools that the working tree names in .mise.toml, mise.toml and .tool-versions, and the versions of Go, Node, Python and Rust in their own version files. A command and --detach wait for this, a shell does not. The log is in the guest, in /root/.cache/banger. A working tree with mise files needs --nat or --no-bootstrap.',
    '',
    'When the working tree has a file .banger.toml with a list "allow" in its table [network], the guest reaches only what that list and --nat or --allow both allow. A line says what the file asks for.',
    '',
    'With --devcontainer, the devcontainer.json of the working tree says which image is pulled or built, which commands set the VM up, as which user and in which folder the command runs, and which ports are forwarded. Nothing of it runs on this host. banger devcontainer check says what of it counts.',
    '',
    'With -d, --wait-for-port and --wait-for-command make banger return only when a program in the VM is ready, such as one that a devcontainer.json or a service of the image starts; --timeout then limits the wait, by default to 2 minutes. If it is not ready by then, the VM stays, and the exit status is 125.',
    '',
    'The exit status is that of the command, 128+n when signal n killed it. It is 2 for wrong usage, 125 when banger failed, 126 or 127 when the command could not be started, 124 when --timeout ended it, 1 when -d could not install tools, 130 after Ctrl-C before the command ran.',
    'On a terminal the command gets a terminal too; else stdin, stdout and stderr pass through unchanged and separately, and SIGINT, SIGTERM and SIGHUP are passed on to the command. Ctrl-C twice within 2 seconds ends banger itself.',
    "With --json, stdout has one JSON value about the run, and all of the command's output goes to stderr.",
  ].join('\n'),
  examples: [
    { command: 'banger vm run', does: 'A shell in a fresh VM, which stays when the shell ends.' },
    {
      command: 'banger vm run ./repo -- make test',
      does: 'Runs the tests of a repository in a VM; the exit status is that of make.',
    },
    { command: 'banger vm run --rm -- uname -a', does: 'Runs one command and deletes the VM.' },
    {
      command: 'banger vm run --name web --vcpu 2 --memory 4096 ./repo',
      does: 'A shell in a VM with the given name and shape.',
    },
    {
      command: 'banger vm run -d --name web ./repo',
      does: 'Makes a VM with the working tree in it and leaves it running.',
    },
    {
      command: 'banger vm run -d --devcontainer --wait-for-port 8080 ./repo',
      does: 'Leaves a VM whose server, which its devcontainer.json starts, is ready for connections.',
    },
    {
      command: 'banger vm run --branch fix-login --from main ./repo',
      does: 'A shell on a new branch that starts at main.',
    },
    { command: 'banger vm run --dry-run ./repo', does: 'Prints which files the VM would get.' },
    {
      command: 'banger vm run -e CI=1 -w /root/repo/web . -- npm test',
      does: 'With an environment variable, in a folder of the working tree.',
    },
    {
      command: 'banger vm run --rm --image alpine:3.20 -- cat /etc/os-release',
      does: 'Pulls an image from a registry, if it is not here yet, and runs a command in it.',
    },
    {
      command: 'banger vm run --devcontainer --nat ./repo',
      does: 'A shell in a VM that the devcontainer.json of the repository describes.',
    },
    { command: 'seq 1 100 | banger vm run --rm -- sha256sum', does: 'Feeds a command through a pipe.' },
  ],
  args: [{ name: 'path', summary: 'a folder in a git working tree', isRequired: false, kind: 'folder' }],
  trailing: { name: 'cmd', summary: 'the command and its arguments, word for word', isRequired: false },
  options: RUN_OPTIONS,
  runsGuestCommand: true,
  async run(invocation, context) {
    const { planOf } = await import('./plan.ts');
    const plan = planOf(invocation, {
      settings: await context.settings(),
      env: context.io.env,
      cwd: () => context.io.cwd,
    });
    if (plan.isDryRun && plan.workspace) {
      const { checkForRun } = await import('./devcontainer-run.ts');
      await checkForRun(plan, context);
      const { printDryRun } = await import('../workspace/dry-run.ts');
      const { isJson, isTimed } = plan;
      const { tellRepositoryNetwork } = await import('./repository-network.ts');
      const readNetwork = (repoRoot: string): RepositoryNetwork | undefined =>
        tellRepositoryNetwork(repoRoot, plan.request, context);
      return await printDryRun(plan.workspace, { context, isJson, isTimed, readNetwork });
    }
    const { runVm } = await import('./run-vm.ts');
    return await runVm(plan, context);
  },
});
