import { AppError } from '../../base/errors.ts';
import { readSystemInstall, type SystemInstall } from '../../config/system-install.ts';

/** Returns the install of this host. @throws {AppError} SYSTEM_NOT_INSTALLED */
export function requireInstall(): SystemInstall {
  const install = readSystemInstall();
  if (install !== undefined) return install;
  throw new AppError('SYSTEM_NOT_INSTALLED', 'Cannot change the services: banger has none on this host', {
    hint: 'sudo banger system install --owner "$USER"',
  });
}
