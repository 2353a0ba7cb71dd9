/**
 * The output folder of a run: what may be there before, and what of ours is.
 * @module
 */
import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { RequestError } from '../errors.js';

/** The folder within the output that holds the report, and the journal while a run is under way. */
export const RUN_FOLDER = 'secateur';

/** Files of ours beside the run folder; nothing else is ever removed. */
const OUR_WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors(\.partial|\.index\.json)?$/;

/**
 * @returns whether an earlier run of ours left something there
 * @throws RequestError when the folder is the model's, lies inside it, or holds something that isn't ours
 */
export function checkOutputFolder(output: string, model: string): boolean {
  const inside = relative(real(model), real(output));
  if (inside === '')
    throw new RequestError(`output ${output} is the model folder itself; nothing is overwritten`);
  if (!inside.startsWith('..'))
    throw new RequestError(`output ${output} lies inside the model folder ${model}`);
  if (!existsSync(output)) return false;
  let entries: string[];
  try {
    entries = readdirSync(output);
  } catch (error) {
    throw new RequestError(`output ${output} can't be read: ${(error as Error).message}`);
  }
  if (entries.length === 0) return false;
  if (!entries.includes(RUN_FOLDER)) {
    throw new RequestError(
      `output ${output} holds something else (${entries[0]}); choose an empty or new folder`,
    );
  }
  return true;
}

/** Removes what an earlier run wrote: its weights and its run folder. */
export function removeEarlierRun(output: string): void {
  for (const entry of readdirSync(output)) {
    if (OUR_WEIGHTS.test(entry)) rmSync(join(output, entry));
  }
  rmSync(join(output, RUN_FOLDER), { recursive: true, force: true });
}

/** The real path of a folder, or of where it would be. */
function real(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  const parent = dirname(absolute);
  return parent === absolute ? absolute : join(real(parent), relative(parent, absolute));
}
