import { AppError } from '../../../base/errors.ts';

/** A loadable module, as listed by depmod(8). */
export interface ListedModule {
  /** the kernel's name for it: no folder, no suffix, `-` written as `_` */
  name: string;
  /** relative to the folder of `modules.dep` */
  path: string;
  /** names of all modules it depends on, directly or indirectly */
  needs: readonly string[];
}

const FILE_SUFFIX = /\.ko(\.(gz|xz|zst))?$/;

/** The kernel's name for the module in a file: `kernel/drivers/md/dm-mod.ko.xz` is `dm_mod`. */
export function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf('/') + 1)
    .replace(FILE_SUFFIX, '')
    .replaceAll('-', '_');
}

/**
 * Parses modules.dep(5): one line per module, `path: needed-path needed-path`.
 *
 * @throws {AppError} KERNEL_MODULES_DAMAGED at a malformed line, or a path that leaves the folder.
 */
export function parseModulesDep(text: string): Map<string, ListedModule> {
  const modules = new Map<string, ListedModule>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    const path = line.slice(0, Math.max(colon, 0));
    const needed = line
      .slice(colon + 1)
      .split(' ')
      .filter(Boolean);
    if (!(isModulePath(path) && needed.every(isModulePath)))
      throw damaged(`line ${index + 1} of modules.dep is malformed`);
    modules.set(moduleName(path), { name: moduleName(path), path, needs: needed.map(moduleName) });
  }
  return modules;
}

/** Parses `modules.builtin`, the paths of the modules built into the kernel, and returns their names. */
export function parseModulesBuiltin(text: string): Set<string> {
  const lines = text.split('\n').map((line) => line.trim());
  return new Set(lines.filter(Boolean).map(moduleName));
}

/**
 * The modules in `wanted` and all their dependencies, each after its dependencies and otherwise in the order
 * of `wanted`. Skips names that are not listed.
 *
 * @throws {AppError} KERNEL_MODULES_DAMAGED when dependencies are circular or not listed.
 */
export function loadOrder(
  listed: ReadonlyMap<string, ListedModule>,
  wanted: readonly string[],
): ListedModule[] {
  const done = new Map<string, ListedModule>();
  const visit = (module: ListedModule, dependents: readonly string[]): void => {
    if (done.has(module.name)) return;
    if (dependents.includes(module.name)) throw damaged(`circular dependency: ${dependents.join(', ')}`);
    for (const name of module.needs) {
      const needed = listed.get(name);
      if (!needed) throw damaged(`module "${module.name}" needs "${name}", which is not listed`);
      visit(needed, [...dependents, module.name]);
    }
    done.set(module.name, module);
  };
  for (const name of wanted) {
    const module = listed.get(moduleName(name));
    if (module) visit(module, []);
  }
  return [...done.values()];
}

function isModulePath(path: string): boolean {
  const steps = path.split('/');
  return FILE_SUFFIX.test(path) && steps.every((step) => step !== '' && step !== '.' && step !== '..');
}

function damaged(why: string): AppError {
  return new AppError('KERNEL_MODULES_DAMAGED', `Cannot use the kernel's modules: ${why}`, {
    hint: 'run depmod on the modules folder, or install the kernel again',
  });
}
