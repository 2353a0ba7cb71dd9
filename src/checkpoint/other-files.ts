/**
 * What a checkpoint's folder holds beside its weights.
 * @module
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '../errors.js';
import { containedFileProblem } from './contained-file.js';
import { fileError } from './file-error.js';

/** Files and folders a checkpoint may have; a guard against pointing at a home folder by mistake. */
export const MAX_FOLDER_ENTRIES = 10_000;

/** The same weights in other formats: a copy of them would no longer belong to the safetensors beside it. */
const OTHER_WEIGHTS: readonly RegExp[] = [
  /\.safetensors$/,
  /\.safetensors\.index\.json$/,
  /^pytorch_model.*\.bin$/,
  /^pytorch_model.*\.bin\.index\.json$/,
  /\.pth$/,
  /\.gguf$/,
  /\.onnx$/,
  /\.onnx_data/,
  /^tf_model.*\.h5$/,
  /^flax_model.*\.msgpack$/,
  /^rust_model\.ot$/,
];

/** Folders that aren't part of the model: the original release's weights, and what an earlier run said of itself. */
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['original', 'secateur']);

export interface OtherFiles {
  /** To be copied beside new weights; relative to the folder, `/` between parts, sorted. */
  readonly otherFiles: readonly string[];
  /** Left out, each with the reason; folders end in `/`. */
  readonly skippedFiles: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Lists everything in a checkpoint's folder except the weights that were opened.
 * @param weights names, relative to the folder, of the shards in use and their index
 * @throws RequestError when the folder can't be listed or holds too much to be a checkpoint
 */
export async function listOtherFiles(folder: string, weights: ReadonlySet<string>): Promise<OtherFiles> {
  const otherFiles: string[] = [];
  const skippedFiles: { name: string; reason: string }[] = [];
  const skip = (name: string, reason: string) => skippedFiles.push({ name, reason });
  let entries = 0;

  const visit = async (within: string): Promise<void> => {
    for (const entry of await list(join(folder, within))) {
      if (++entries > MAX_FOLDER_ENTRIES)
        throw new RequestError(
          `${folder} holds more than ${MAX_FOLDER_ENTRIES} files; is it a checkpoint's folder?`,
        );
      const name = within === '' ? entry.name : `${within}/${entry.name}`;
      if (weights.has(name)) continue;
      if (entry.isDirectory()) {
        if (entry.name.startsWith('.')) skip(`${name}/`, 'a hidden folder');
        else if (within === '' && SKIPPED_FOLDERS.has(entry.name)) skip(`${name}/`, 'not part of the model');
        else await visit(name);
      } else if (OTHER_WEIGHTS.some((pattern) => pattern.test(entry.name))) {
        skip(name, 'weights that were not read');
      } else {
        const problem = unusable(folder, name);
        if (problem === undefined) otherFiles.push(name);
        else skip(name, problem);
      }
    }
  };
  await visit('');
  return { otherFiles: otherFiles.sort(), skippedFiles };
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
