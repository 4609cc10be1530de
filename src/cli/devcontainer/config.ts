import { posix } from 'node:path';
import type { FeatureWish } from './features/feature.ts';

/** The commands of a `devcontainer.json` that run in the guest, in the order in which they run. */
export const HOOK_NAMES = [
  'onCreateCommand',
  'updateContentCommand',
  'postCreateCommand',
  'postStartCommand',
  'postAttachCommand',
] as const;
export type HookName = (typeof HOOK_NAMES)[number];

/** One command of a step. */
export interface StepCommand {
  /** absent when the step has only this one */
  label?: string;
  argv: [string, ...string[]];
}

/** Commands that run at the same time. */
export type Step = readonly StepCommand[];

/** A port of the guest that this host forwards. */
export interface WantedPort {
  port: number;
  label?: string;
  /** it is an error when this host cannot forward it under the same number */
  isRequired: boolean;
}

/** A Dockerfile to build. Paths are absolute, and inside of the repository. */
export interface DockerfileBuild {
  dockerfile: string;
  context: string;
  args: Readonly<Record<string, string>>;
  target?: string;
}

/** The least that a VM must have. */
export interface HostRequirements {
  cpus?: number;
  memoryMib?: number;
  storageBytes?: number;
}

/** What a `devcontainer.json`, or the metadata of an image, asks for. */
export interface DevcontainerConfig {
  image?: string;
  build?: DockerfileBuild;
  containerEnv: Readonly<Record<string, string>>;
  /** may refer to variables of the container */
  remoteEnv: Readonly<Record<string, string>>;
  containerUser?: string;
  remoteUser?: string;
  /** steps of one hook run one after another */
  hooks: Readonly<Record<HookName, readonly Step[]>>;
  /** runs on this host */
  initialize?: Step;
  ports: readonly WantedPort[];
  requirements: HostRequirements;
  /** installed into the image */
  features?: readonly FeatureWish[];
  /** references, of which the first are installed first */
  featureOrder?: readonly string[];
}

/** The configuration that asks for nothing. */
export function emptyConfig(): DevcontainerConfig {
  return {
    containerEnv: {},
    remoteEnv: {},
    hooks: {
      onCreateCommand: [],
      updateContentCommand: [],
      postCreateCommand: [],
      postStartCommand: [],
      postAttachCommand: [],
    },
    ports: [],
    requirements: {},
  };
}

/**
 * Puts `over` on top of `below`: single values and variables of `over` win, hooks of `below` run first, ports
 * add up, and of the requirements the larger ones count. The specification calls this merge logic.
 */
export function mergeConfigs(below: DevcontainerConfig, over: DevcontainerConfig): DevcontainerConfig {
  const known = new Set(over.ports.map(({ port }) => port));
  return {
    ...below,
    ...over,
    containerEnv: { ...below.containerEnv, ...over.containerEnv },
    remoteEnv: { ...below.remoteEnv, ...over.remoteEnv },
    hooks: Object.fromEntries(
      HOOK_NAMES.map((name) => [name, [...below.hooks[name], ...over.hooks[name]]]),
    ) as Record<HookName, Step[]>,
    ports: [...below.ports.filter(({ port }) => !known.has(port)), ...over.ports],
    requirements: largest(below.requirements, over.requirements),
  };
}

function largest(one: HostRequirements, other: HostRequirements): HostRequirements {
  const names = ['cpus', 'memoryMib', 'storageBytes'] as const;
  const values = names.flatMap((name) => {
    const found = [one[name], other[name]].filter((value) => value !== undefined);
    return found.length === 0 ? [] : [[name, Math.max(...found)] as const];
  });
  return Object.fromEntries(values);
}

/** Whether a path is `root` or below it; both are absolute and have no `..`. */
export function isWithin(root: string, path: string): boolean {
  const below = posix.relative(root, path);
  return below !== '..' && !below.startsWith('../') && !posix.isAbsolute(below);
}
