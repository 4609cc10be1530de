/**
 * The environment for checks and tests of our Go programs. They compile as `build-go.sh` does, so that all of
 * them use the same packages of Go's build cache; with other flags, Go compiles its standard library again.
 */
export function goEnv(): NodeJS.ProcessEnv {
  const { GOFLAGS: given = '', ...env } = process.env;
  return { ...env, CGO_ENABLED: '0', GOFLAGS: `${given} -trimpath`.trim() };
}
