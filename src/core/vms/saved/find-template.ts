import { AppError } from '../../../base/errors.ts';
import type { StoredTemplate } from '../../ports/templates.ts';
import type { WarmStarts } from '../world.ts';

/**
 * The template that `ref` means: its key, or a unique prefix of it.
 *
 * @throws {AppError} TEMPLATE_NOT_FOUND; TEMPLATE_AMBIGUOUS listing the candidates.
 */
export async function findTemplate(
  world: Pick<WarmStarts, 'templates'>,
  ref: string,
): Promise<StoredTemplate> {
  const candidates =
    ref === '' ? [] : (await world.templates.list()).filter(({ key }) => key.startsWith(ref));
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  if (!only) {
    throw new AppError('TEMPLATE_NOT_FOUND', `Cannot find a template "${ref}"`, {
      hint: 'banger template list',
      details: { ref },
    });
  }
  throw new AppError(
    'TEMPLATE_AMBIGUOUS',
    `Cannot tell which template "${ref}" is: ${candidates.length} templates have keys that start with it`,
    { hint: 'give more digits', details: { candidates: candidates.map(({ key }) => key) } },
  );
}
