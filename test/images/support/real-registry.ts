import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { neverAborts } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { findProgram, toolEnv } from '../../../src/base/process/programs.ts';
import { processEnvironment } from '../../../src/config/settings.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const env = toolEnv(processEnvironment());
const PACKAGE = 'docker-registry';

/** The registry that Debian packages, on loopback, which only its one user may use. */
export interface RealRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly user: string;
  readonly password: string;
  /** what it has printed */
  log(): string;
}

/**
 * Finds the program, or unpacks its Debian package in `dir`; installs nothing. Returns `undefined` where apt
 * has no such package.
 */
export async function findRegistry(dir: string): Promise<string | undefined> {
  const installed = await findProgram(PACKAGE, env);
  if (installed !== undefined) return installed;
  if (!(await findProgram('apt-get', env))) return undefined;
  await mkdir(dir, { recursive: true });
  const { code } = await exec(['apt-get', 'download', '--quiet', PACKAGE], {
    ...{ signal, env, cwd: dir },
    okCodes: [0, 100],
  });
  const file = (await readdir(dir)).find((name) => name.endsWith('.deb'));
  if (code !== 0 || file === undefined) return undefined;
  await exec(['dpkg-deb', '--extract', join(dir, file), join(dir, 'unpacked')], { signal, env });
  return join(dir, 'unpacked/usr/bin', PACKAGE);
}

/** Starts it with an empty store in `dir`. Disposing ends it. */
export async function startRegistry(program: string, dir: string): Promise<RealRegistry> {
  const user = 'tester';
  const password = randomBytes(12).toString('hex');
  const [users, config] = [join(dir, 'htpasswd'), join(dir, 'config.yml')];
  await mkdir(dir, { recursive: true });
  await writeFile(users, `${user}:${await bcryptOf(password)}\n`);
  const host = `127.0.0.1:${await freePort()}`;
  await writeFile(
    config,
    `version: 0.1
storage: { filesystem: { rootdirectory: ${join(dir, 'store')} }, delete: { enabled: true } }
http: { addr: "${host}" }
auth: { htpasswd: { realm: test, path: ${users} } }
`,
  );
  const child = spawn(program, ['serve', config], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const output of [child.stdout, child.stderr]) {
    output.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-64 * 1024);
    });
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await until(async () => (await fetch(`http://${host}/v2/`).catch(() => undefined))?.status === 401);
  return {
    ...{ host, user, password },
    log: () => printed,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The only form that the registry takes. Perl is on every Debian, a program for it is not. */
async function bcryptOf(password: string): Promise<string> {
  const salt = `$2y$05$${randomBytes(16).toString('hex').slice(0, 21)}u`;
  const { stdout } = await exec(['perl', '-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt], {
    signal,
    env,
  });
  return stdout.toString();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
