/**
 * The output folder of a run: what may be there before, who may write into it, and what of it is ours.
 * @module
 */
import { existsSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileError } from '../../checkpoint/file-error.js';
import { makeFolder } from '../../checkpoint/make-folder.js';
import { RequestError } from '../../errors.js';
import { HIDDEN_FILES } from '../../forward/hidden-file.js';
import { type HeldLock, type LockedElsewhere, lockFile, type NoLocks } from '../../system/file-lock.js';
import { JOURNAL_FILE, readJournal } from './journal.js';

/** The folder within the output that holds the report and the journal, and what a run needs while it is under way. */
export const RUN_FOLDER = 'secateur';

/** In the run folder while a run is under way; locked by its process. */
const LOCK_FILE = 'lock';

/** Files of ours beside the run folder, and those that a journal names; nothing else is ever removed. */
export const OUR_WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors(\.partial|\.index\.json(\.tmp)?)?$/;

/** Files of ours in the run folder, beside those of hidden states. */
const OUR_RUN_FILES =
  /^(lock|(journal\.jsonl|report\.json|report\.html|run\.yaml)(\.tmp)?|gradients\.f32(\.tmp)?|(regional|block)\.f32)$/;

/** How often a folder that another run is just removing is made again. */
const ATTEMPTS = 10;

/** An output folder that nobody else writes into until it is released. */
export interface LockedFolder {
  readonly notes: readonly string[];
  /** Lets others in, and removes the folders that were made for work that left nothing. */
  release(): void;
}

/** The same of a run. */
export interface ClaimedFolder extends LockedFolder {
  /** Whether an earlier run left something in it. */
  readonly occupied: boolean;
}

/**
 * @param ours names of which one is in every folder that was written into before
 * @throws RequestError when the folder is the model's, lies inside it, or holds something that isn't ours
 */
export function requireOwnFolder(output: string, model: string, ours: readonly string[]): void {
  const inside = relative(real(model), real(output));
  if (inside === '')
    throw new RequestError(`output ${output} is the model folder itself; nothing is overwritten`);
  if (!inside.startsWith('..'))
    throw new RequestError(`output ${output} lies inside the model folder ${model}`);
  const entries = existsSync(output) ? list(output) : [];
  if (entries.length > 0 && !ours.some((name) => entries.includes(name))) {
    throw new RequestError(
      `output ${output} holds something else (${entries[0]}); choose an empty or new folder`,
    );
  }
}

/** @throws RequestError as `requireOwnFolder`, and when what is called like our folder in it is something else */
export function checkOutputFolder(output: string, model: string): void {
  requireOwnFolder(output, model, [RUN_FOLDER]);
  const folder = join(output, RUN_FOLDER);
  const other = existsSync(folder) ? list(folder).find((entry) => !isOurs(entry)) : undefined;
  if (other !== undefined) {
    throw new RequestError(
      `output ${output} has a folder ${RUN_FOLDER} that is no run's (${other}); choose an empty or new folder`,
    );
  }
}

/** @throws RequestError when what runs share would lie in the model's folder, or in the output of one of them */
export function checkReuseFolder(folder: string, output: string, model: string): void {
  for (const [what, other] of [
    ['model folder', model],
    ['output', output],
  ] as const) {
    if (relative(real(other), real(folder)).startsWith('..')) continue;
    throw new RequestError(`${folder} can't be shared by runs, since it lies in the ${what} ${other}`);
  }
}

/**
 * Makes the folder of a lock file where it is missing, and takes the lock: one that ends with this process, however it ends.
 *
 * @param output as messages call it: the lock's folder, or the one above it
 * @param writer who may hold it
 * @throws RequestError naming the process that holds it, or when it can't be made or written
 */
export function lockOutput(output: string, path: string, writer: 'run' | 'comparison'): LockedFolder {
  const { made, lock } = makeAndLock(path);
  const folder = dirname(path);
  if (lock.kind === 'locked') {
    const { holder } = lock;
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
    throw new RequestError(
      `output ${output} is being written by another ${writer} (${who}); wait for it, stop it, or choose another folder`,
    );
  }
  return {
    notes:
      lock.kind === 'held'
        ? []
        : [`nothing keeps a second ${writer} out of ${output} meanwhile: ${lock.reason}; start only one`],
    release() {
      if (lock.kind === 'held') lock.release();
      // An output that was there before stays.
      if (made !== undefined || folder !== output) removeEmptyFolders(folder, made);
    },
  };
}

/**
 * Keeps other runs out of the folder, which is made where it is missing.
 *
 * @param output absolute; `checkOutputFolder` has nothing against it
 * @throws as `lockOutput`
 */
export function claimOutputFolder(output: string): ClaimedFolder {
  const folder = join(output, RUN_FOLDER);
  const lock = lockOutput(output, join(folder, LOCK_FILE), 'run');
  try {
    const occupied = holdsRun(output);
    // Half of a journal's first writing, from a run that was killed there.
    if (!occupied) rmSync(join(folder, `${JOURNAL_FILE}.tmp`), { force: true });
    return { ...lock, occupied };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Whether a run is under way in the folder, or was killed there. */
export function isUnreleased(output: string): boolean {
  return existsSync(join(output, RUN_FOLDER, LOCK_FILE));
}

/**
 * Removes what an earlier run wrote but its journal. The report goes first, so that what is left, should this be
 * interrupted, is an unfinished run; the journal is what says so, until another takes its place.
 */
export function removeEarlierRun(output: string): void {
  const folder = join(output, RUN_FOLDER);
  const copies = readJournal(join(folder, JOURNAL_FILE))?.copies ?? [];
  remove(join(folder, 'report.json'));
  for (const name of copies.filter(isInside))
    for (const suffix of ['', '.tmp']) remove(join(output, name + suffix));
  for (const entry of list(output)) if (OUR_WEIGHTS.test(entry)) remove(join(output, entry));
  for (const entry of list(folder)) {
    if (entry === LOCK_FILE || entry === JOURNAL_FILE) continue;
    if (isOurs(entry)) remove(join(folder, entry));
  }
}

/** Removes the hidden states of a run that was killed; what goes on from it makes its own. */
export function removeHiddenStates(output: string): void {
  const folder = join(output, RUN_FOLDER);
  for (const entry of list(folder)) if (HIDDEN_FILES.test(entry)) remove(join(folder, entry));
}

/** Removes all that a run wrote into a folder that had nothing of a run before. */
export function removeNewRun(output: string): void {
  removeEarlierRun(output);
  remove(join(output, RUN_FOLDER, JOURNAL_FILE));
}

/** @param entry of the run folder */
function isOurs(entry: string): boolean {
  return OUR_RUN_FILES.test(entry) || HIDDEN_FILES.test(entry);
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fileError(error, 'remove', path);
  }
}

/** Whether a relative name stays within the folder that it is relative to. */
function isInside(name: string): boolean {
  return !isAbsolute(name) && !name.split('/').includes('..');
}

function makeAndLock(path: string): {
  made: string | undefined;
  lock: HeldLock | LockedElsewhere | NoLocks;
} {
  const folder = dirname(path);
  let made: string | undefined;
  for (let attempt = 1; ; attempt++) {
    made = makeFolder(folder) ?? made;
    try {
      return { made, lock: lockFile(path) };
    } catch (error) {
      // A run that failed has just removed the folder it had made.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && attempt < ATTEMPTS) continue;
      if (made !== undefined) removeEmptyFolders(folder, made);
      throw fileError(error, 'write', path);
    }
  }
}

/** Whether there is more than a run leaves that was ended before it wrote anything. */
function holdsRun(output: string): boolean {
  const leftovers = new Set([LOCK_FILE, `${JOURNAL_FILE}.tmp`]);
  return (
    list(output).some((entry) => entry !== RUN_FOLDER) ||
    list(join(output, RUN_FOLDER)).some((entry) => !leftovers.has(entry))
  );
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw fileError(error, 'list', folder);
  }
}

/** Removes a folder when it is empty, and then those above it up to the topmost, when they are. */
export function removeEmptyFolders(folder: string, topmost = folder): void {
  try {
    for (let at = folder; ; at = dirname(at)) {
      rmdirSync(at);
      if (at === topmost) return;
    }
  } catch {
    // Something is in it; it stays.
  }
}

/** The real path of a folder, or of where it would be. */
function real(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  const parent = dirname(absolute);
  return parent === absolute ? absolute : join(real(parent), relative(parent, absolute));
}
