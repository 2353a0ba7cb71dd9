/**
 * The `model` of a run file: a folder, or a name on the hub.
 * @module
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * `org/name[@revision]`; the revision may hold slashes, as branch names do. Neither part begins with a dot, so
 * `./name` and `../name` are folders.
 */
const hubName = /^[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*(@[\w./-]+)?$/;

/** Whether `model` has the form of a hub name. A relative folder of two parts has it too. */
export function isHubName(model: string): boolean {
  return hubName.test(model);
}

/**
 * The absolute path of the folder `model` names relative to `folder`; a hub name is given back as it is unless such a
 * folder exists.
 */
export function resolveModel(model: string, folder: string): string {
  const path = resolve(folder, model);
  return isHubName(model) && !existsSync(path) ? model : path;
}
