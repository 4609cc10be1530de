/** `6.1.0-56-cloud-amd64` in version `6.1.192-2` is `debian-6.1.192-2-cloud-amd64`. */
export function kernelName(release: string, version: string): string {
  const flavour = release.replace(/^[0-9.]+(-[0-9]+)?(\+[^-]*)?-?/, '');
  return ['debian', version, flavour]
    .filter(Boolean)
    .join('-')
    .replace(/[^A-Za-z0-9._-]/g, '.');
}
