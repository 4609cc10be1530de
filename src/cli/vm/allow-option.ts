/** What the guest of a VM may reach outside. */
export const ALLOW_OPTION = {
  type: 'list',
  value: 'rule',
  summary:
    'connect the guest to the outside, but let it reach only this: HOST[:PORT], *.HOST, an address or a CIDR, with udp/ before it for UDP, or a preset: @npm, @pypi, @crates, @go, @debian, @github, @docker; may be given several times',
} as const;
