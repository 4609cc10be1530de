/** The DNS zone of VMs: `web.vm` is the VM `web`. */
export const VM_ZONE = 'vm';

const DOMAIN = `.${VM_ZONE}`;

/** The name under which programs on this host reach a VM. */
export function hostNameOf(vmName: string): string {
  return `${vmName}${DOMAIN}`;
}

/** The VM that a host name means: `web` for `web.vm`, `WEB.VM.` and `web`. */
export function vmOfHostName(hostName: string): string {
  const name = hostName.toLowerCase().replace(/\.$/, '');
  return name.endsWith(DOMAIN) ? name.slice(0, -DOMAIN.length) : name;
}
