import type { Rule } from './project.ts';
import { errorCodesAreListed } from './rules/error-codes.ts';
import * as layers from './rules/layers.ts';
import * as modules from './rules/modules.ts';
import * as reach from './rules/reach.ts';
import * as texts from './rules/texts.ts';
import * as unused from './rules/unused.ts';

/**
 * Which module may import which, and what each may use. Add a rule here, and a planted violation of it to
 * `test/repo/rules.test.ts`.
 */
export const BOUNDARY_RULES: readonly Rule[] = [
  layers.knownLayers,
  layers.layerOrder,
  layers.adaptersApart,
  layers.onlyComposeImportsAdapters,
  layers.productStandsAlone,
  layers.goModulesApart,
  modules.importsResolve,
  modules.noDefaultExports,
  modules.noBarrels,
  modules.noComputedImports,
  modules.noCycles,
  modules.zodStaysInSchemas,
  modules.zodIsTakenInParts,
  modules.cliIsFreeOfZod,
  modules.cliStartsLight,
  reach.coreIsPure,
  reach.useCasesTakeWhatTheyUse,
  reach.onlyExecStartsProcesses,
  reach.onlySettingsReadsEnvironment,
  reach.onlyConfigNamesFolders,
  reach.baseHasNoProductWords,
  reach.coreNamesNoVmm,
  reach.noBareErrors,
];

/** Code and packages that nothing uses. */
export const UNUSED_RULES: readonly Rule[] = [
  unused.noUnusedFiles,
  unused.noUnusedExports,
  unused.dependenciesMatch,
];

/** How texts look. */
export const TEXT_RULES: readonly Rule[] = [
  texts.filesAreShort,
  texts.foldersAreSmall,
  texts.commentsAreNarrow,
  texts.namesAreKebabCase,
  texts.nothingPutOff,
  texts.noForeignHosts,
  texts.noLocalPaths,
  reach.exportsAreDocumented,
  errorCodesAreListed,
];
