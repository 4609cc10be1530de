/** How registries are reached. */
export interface RegistrySettings {
  /** base URLs to ask instead, by the registry's name */
  mirrors: Readonly<Record<string, string>>;
  /** registries (`HOST` or `HOST:PORT`) that need no TLS; those of this host never do */
  insecure: readonly string[];
}

/** The options of `banger-host oci` that say so. */
export function registryWords({ mirrors, insecure }: RegistrySettings): string[] {
  return [
    ...insecure.flatMap((host) => ['--insecure', host]),
    ...Object.entries(mirrors).flatMap(([host, url]) => ['--mirror', `${host}=${url}`]),
  ];
}
