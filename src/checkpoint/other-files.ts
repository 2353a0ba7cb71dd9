/**
 * What a checkpoint's folder holds beside its weights.
 * @module
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '../errors.js';
import { groupBy } from '../group-by.js';
import { nameSome } from '../name-some.js';
import { containedFileProblem } from './contained-file.js';
import { fileError } from './file-error.js';
import { leftOutReason } from './file-kinds.js';

/** Files and folders a checkpoint may have beside its weights; a guard against pointing at a home folder by mistake. */
export const MAX_FOLDER_ENTRIES = 10_000;

export interface SkippedFile {
  /** Relative to the folder; that of a folder ends in `/`. */
  readonly name: string;
  readonly reason: string;
}

export interface OtherFiles {
  /** To be copied beside new weights; relative to the folder, `/` between parts, sorted. */
  readonly otherFiles: readonly string[];
  /** Left out. */
  readonly skippedFiles: readonly SkippedFile[];
}

/**
 * Lists everything in a checkpoint's folder except the weights that were opened.
 * @param weights names, relative to the folder, of the shards in use and their index
 * @throws RequestError when the folder can't be listed or holds too much to be a checkpoint
 */
export async function listOtherFiles(folder: string, weights: ReadonlySet<string>): Promise<OtherFiles> {
  const otherFiles: string[] = [];
  const skippedFiles: SkippedFile[] = [];
  let entries = 0;

  const visit = async (within: string): Promise<void> => {
    for (const entry of await list(join(folder, within))) {
      const name = within === '' ? entry.name : `${within}/${entry.name}`;
      if (weights.has(name)) continue;
      if (++entries > MAX_FOLDER_ENTRIES)
        throw new RequestError(
          `${folder} holds more than ${MAX_FOLDER_ENTRIES} files beside its weights; is it a checkpoint's folder?`,
        );
      const isFolder = entry.isDirectory();
      const path = isFolder ? `${name}/` : name;
      const reason = leftOutReason(path) ?? (isFolder ? undefined : unusable(folder, name));
      if (reason !== undefined) skippedFiles.push({ name: path, reason });
      else if (isFolder) await visit(name);
      else otherFiles.push(name);
    }
  };
  await visit('');
  return { otherFiles: otherFiles.sort(), skippedFiles };
}

/** What was not copied, a note for each reason. */
export function skippedNotes(skipped: readonly SkippedFile[]): string[] {
  return [...groupBy(skipped, ({ reason }) => reason)].map(([reason, files]) => {
    const names = nameSome(files.map(({ name }) => name));
    return `${names} ${files.length > 1 ? 'were' : 'was'} not copied: ${reason}`;
  });
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw fileError(error, 'list', folder);
  }
}

function unusable(folder: string, name: string): string | undefined {
  try {
    return containedFileProblem(folder, name);
  } catch (error) {
    return fileError(error, 'read', join(folder, name)).message;
  }
}
