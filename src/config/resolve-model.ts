/**
 * The `model` of a run file: a folder, or a name on the hub.
 * @module
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseRepository } from '../hub/repository.js';

/**
 * Whether `model` is a name that the hub allows, `org/name[@revision]`. A relative folder of two parts may be one too; `./name`
 * and `../name` are none.
 */
export function isHubName(model: string): boolean {
  try {
    parseRepository(model);
    return true;
  } catch {
    return false;
  }
}

/**
 * The absolute path of the folder `model` names relative to `folder`; a hub name is given back as it is unless such a
 * folder exists.
 */
export function resolveModel(model: string, folder: string): string {
  const path = resolve(folder, model);
  return isHubName(model) && !existsSync(path) ? model : path;
}
