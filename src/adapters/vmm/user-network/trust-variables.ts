import type { Variables } from '../../../base/process/programs.ts';

/** The variables with which users say where certificates are that programs of this host trust. */
export function trustVariables(env: Variables): NodeJS.ProcessEnv {
  const names = ['SSL_CERT_FILE', 'SSL_CERT_DIR'].filter((name) => env[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, env[name]]));
}
