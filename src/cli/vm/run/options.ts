import type { OptionDefinitions } from '../../program/command.ts';
import { ENV_OPTION, WORKDIR_OPTION } from '../guest-env.ts';
import { TIMEOUT_OPTION } from '../time-limit.ts';
import { VM_OPTIONS } from '../vm-options.ts';
import { WORKSPACE_OPTIONS } from '../workspace/workspace-options.ts';

/** Options of `vm run`. */
export const RUN_OPTIONS = {
  ...VM_OPTIONS,
  ...WORKSPACE_OPTIONS,
  ...ENV_OPTION,
  ...WORKDIR_OPTION,
  ...TIMEOUT_OPTION,
  entrypoint: {
    type: 'flag',
    summary: "run the image's own program; a command after -- becomes its arguments",
  },
  devcontainer: {
    type: 'flag',
    summary: 'make the VM as the devcontainer.json of the working tree says; needs a path',
  },
  devcontainerName: {
    type: 'value',
    value: 'name',
    summary: 'which one, when there are several: its folder in .devcontainer',
  },
  devcontainerSkip: {
    type: 'list',
    value: 'key',
    summary: 'leave a key of devcontainer.json out; may be given several times',
  },
  initializeCommand: {
    type: 'flag',
    summary: 'let the initializeCommand of devcontainer.json run on this host, as you',
  },
  out: {
    type: 'list',
    value: 'pattern',
    summary:
      'after the command, copy what matches from where it started to --out-dir: a path, or a pattern such as "dist/**"; may be given several times',
  },
  outDir: {
    type: 'value',
    value: 'folder',
    kind: 'folder',
    summary: 'where the files of --out go; made when missing',
  },
  dryRun: { type: 'flag', summary: 'only print which files the VM would get; needs a path' },
  noBootstrap: {
    type: 'flag',
    summary: 'do not install the tools that the working tree names (mise, with --nat)',
  },
  detach: {
    type: 'flag',
    short: 'd',
    summary: 'exit once the VM is ready, and leave it running; not with a command or --rm',
  },
  waitForPort: {
    type: 'value',
    value: 'port',
    summary: 'with -d: exit only when something in the guest listens on this TCP port',
  },
  waitForCommand: {
    type: 'value',
    value: 'command',
    kind: 'other',
    summary:
      "with -d: exit only when this command of the guest's shell succeeds; it is tried again and again",
  },
  rm: { type: 'flag', summary: 'delete the VM when the command, the shell or banger ends' },
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: {
    type: 'flag',
    summary: 'print the VM, the exit status and timings as JSON; needs a command, -d or --dry-run',
  },
} as const satisfies OptionDefinitions;
