import type { PersonalFile } from '../../protocol/guest.ts';
import type { ImageConfig } from '../../protocol/image/image-config.ts';

/** What a VM keeps of its image's configuration: what decides how programs run in it. */
export type RunConfig = Pick<ImageConfig, 'env' | 'entrypoint' | 'cmd' | 'user' | 'workingDir'>;

/** The part of an image's configuration that a VM keeps; `undefined` when there is nothing to keep. */
export function runConfigOf({ env, entrypoint, cmd, user, workingDir }: ImageConfig): RunConfig | undefined {
  const config: RunConfig = {
    ...(env?.length ? { env } : {}),
    ...(entrypoint?.length ? { entrypoint } : {}),
    ...(cmd?.length ? { cmd } : {}),
    ...(user ? { user } : {}),
    ...(workingDir ? { workingDir } : {}),
  };
  return Object.keys(config).length > 0 ? config : undefined;
}

/** The configuration with more variables, `NAME=value`, which take the place of those with the same names. */
export function withVariables(config: ImageConfig, env: readonly string[] = []): ImageConfig {
  if (env.length === 0) return config;
  const byName = new Map([...(config.env ?? []), ...env].map((text) => [nameIn(text), text]));
  return { ...config, env: [...byName.values()] };
}

function nameIn(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf('=')));
}

/** Where the agent finds the image's variables, each with a NUL byte after it. */
const AGENT_FILE = '/run/banger/image-env';

/**
 * The files that let each way into a guest have the variables of its image: commands through the agent, login
 * shells, which set PATH themselves, and commands through sshd.
 */
export function imageEnvironmentFiles({ env = [] }: RunConfig): PersonalFile[] {
  const variables = env.flatMap(variableOf);
  if (variables.length === 0) return [];
  const plain = variables.filter(({ value }) => !/[\r\n]/.test(value));
  return [
    textFile(AGENT_FILE, variables.map(({ name, value }) => `${name}=${value}\0`).join('')),
    textFile('/etc/profile.d/banger-image.sh', `${plain.map(profileLine).join('\n')}\n`),
    textFile('/etc/ssh/sshd_config.d/50-banger-image.conf', `SetEnv ${plain.map(sshdWord).join(' ')}\n`),
  ];
}

interface Variable {
  name: string;
  value: string;
}

/** Shells take only some names; others stay out of every guest, so that all ways into it are alike. */
function variableOf(text: string): Variable[] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([^\0]*)$/s.exec(text) ?? [];
  return name === undefined || value === undefined ? [] : [{ name, value }];
}

/** The system's own profile has replaced PATH before; other variables may be the caller's. */
function profileLine({ name, value }: Variable): string {
  const quoted = `'${value.replaceAll("'", "'\\''")}'`;
  return name === 'PATH'
    ? `PATH=${quoted}`
    : `[ -n "\${${name}+is set}" ] || ${name}=${quoted}; export ${name}`;
}

/** In the quoting of sshd_config(5): a backslash before a quote or a backslash. */
function sshdWord({ name, value }: Variable): string {
  return `"${name}=${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function textFile(path: string, text: string): PersonalFile {
  return { path, mode: 0o644, content: Buffer.from(text), optional: true };
}
