/**
 * The URL of a remote without credentials. Removes `user:password@` for http, https, ftp and every unknown
 * scheme. For ssh it removes only the password, because the user's name is part of the address. Paths and
 * `git@host:path` have none.
 */
export function withoutCredentials(url: string): string {
  // `transport::address` (gitremote-helpers(7)) names a helper before the real address.
  const helper = /^[A-Za-z0-9][A-Za-z0-9+.-]*::/.exec(url)?.[0] ?? '';
  const address = url.slice(helper.length);
  const match = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)([^/?#]*)@([^/?#@]*)(.*)$/s.exec(address);
  if (!match) return url;
  const [, scheme = '', userInfo = '', host = '', rest = ''] = match;
  const isSsh = /^(ssh|git\+ssh|ssh\+git):/i.test(scheme);
  const user = userInfo.split(':', 1)[0];
  return `${helper}${scheme}${isSsh && user ? `${user}@` : ''}${host}${rest}`;
}
