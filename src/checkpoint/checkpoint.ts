/**
 * A Hugging Face model folder, opened for reading.
 * @module
 */
import { createHash } from 'node:crypto';
import { lstatSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RequestError } from '../errors.js';
import { parseBoundedJson } from './bounded-json.js';
import { containedFile } from './contained-file.js';
import { fileError } from './file-error.js';
import { listOtherFiles, type OtherFiles } from './other-files.js';
import { readSmallFile } from './read-small-file.js';
import { readSafetensorsHeader, type TensorInfo } from './safetensors-header.js';
import {
  INDEX_FILE_NAME,
  MAX_INDEX_BYTES,
  parseShardIndex,
  SINGLE_FILE_NAME,
  type WeightMap,
} from './shard-index.js';

/** No config comes near: the largest published ones have some hundred KB. */
export const MAX_CONFIG_BYTES = 4_000_000;

/** A config has some five levels and some hundred values; lists of ids by label have thousands. */
export const CONFIG_LIMITS = { maxDepth: 64, maxValues: 500_000 };

/** A tensor and the shard it lies in. */
export interface CheckpointTensor extends TensorInfo {
  /** Absolute path of the shard. */
  readonly path: string;
}

export interface Shard {
  readonly path: string;
  readonly fileName: string;
  /** Bytes of the file. */
  readonly size: number;
}

export interface Checkpoint extends OtherFiles {
  /** Absolute. */
  readonly folder: string;
  /** The parsed `config.json`. */
  readonly config: unknown;
  /** By name: shards in the order of their file names, within a shard in the order of the data. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Sorted by file name. */
  readonly shards: readonly Shard[];
  /** Bytes of all tensors' data. */
  readonly bytes: number;
  /** What did not go as one would assume: tensors the index leaves out, a second set of weights. */
  readonly notes: readonly string[];
  /** SHA-256 (hex) over the shards' names, sizes and headers; says nothing of the data. */
  hash(): Promise<string>;
}

/**
 * Opens a model folder: `config.json` and `model.safetensors`, or else `model.safetensors.index.json` and the shards
 * it names. Reads headers only.
 * @throws RequestError naming the file, and the tensor where there is one, when anything is missing, malformed,
 *   contradictory or outside the folder
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const root = resolve(folder);
  requireFolder(root);
  const config = readConfig(root);
  const notes: string[] = [];
  const single = hasEntry(root, SINGLE_FILE_NAME);
  const sharded = hasEntry(root, INDEX_FILE_NAME);
  if (!single && !sharded)
    throw new RequestError(`${root} has neither ${SINGLE_FILE_NAME} nor ${INDEX_FILE_NAME}`);
  if (single && sharded)
    notes.push(`${root} has ${SINGLE_FILE_NAME} and an index; ${SINGLE_FILE_NAME} is used, the index is not`);

  const weightMap = single ? undefined : readIndex(root);
  const fileNames = weightMap === undefined ? [SINGLE_FILE_NAME] : [...new Set(weightMap.values())].sort();
  const shards: Shard[] = [];
  const tensors = new Map<string, CheckpointTensor>();
  const shardOf = new Map<string, string>();
  const digest = createHash('sha256');
  for (const fileName of fileNames) {
    const path = locateShard(root, fileName, weightMap);
    const header = readSafetensorsHeader(path);
    digest.update(JSON.stringify([fileName, header.size, header.headerBytes.byteLength]));
    digest.update(header.headerBytes);
    shards.push({ path, fileName, size: header.size });

    let unlisted = 0;
    for (const tensor of header.tensors.values()) {
      const other = shardOf.get(tensor.name);
      if (other !== undefined)
        throw new RequestError(
          `${root}: tensor ${JSON.stringify(tensor.name)} is in both ${other} and ${fileName}; a tensor may be in one shard only`,
        );
      shardOf.set(tensor.name, fileName);
      if (weightMap === undefined || weightMap.has(tensor.name))
        tensors.set(tensor.name, { ...tensor, path });
      else if (unlisted++ === 0)
        notes.push(`${path}: tensor ${JSON.stringify(tensor.name)} is not in the index and is left out`);
    }
    if (unlisted > 1) notes.push(`${path}: ${unlisted} tensors in all are not in the index and are left out`);
  }
  for (const [name, fileName] of weightMap ?? [])
    if (shardOf.get(name) !== fileName)
      throw new RequestError(
        `${join(root, INDEX_FILE_NAME)} says that tensor ${JSON.stringify(name)} is in ${fileName}, but ${
          shardOf.has(name) ? `it is in ${shardOf.get(name)}` : 'that file does not have it'
        }`,
      );

  const hash = digest.digest('hex');
  const weights = new Set(single ? fileNames : [...fileNames, INDEX_FILE_NAME]);
  const others = await listOtherFiles(root, weights);
  return {
    folder: root,
    config,
    tensors,
    shards,
    ...others,
    bytes: [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes, 0),
    notes,
    hash: async () => hash,
  };
}

function requireFolder(folder: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(folder).isDirectory();
  } catch (error) {
    throw fileError(error, 'open the checkpoint', folder);
  }
  if (!isFolder)
    throw new RequestError(`${folder} is not a folder; a checkpoint is the folder that holds config.json`);
}

/** Whether the folder has an entry of that name, a link to nothing included: that is reported when it is read. */
function hasEntry(folder: string, name: string): boolean {
  return lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined;
}

/** Reads a whole small file of the folder. */
function readContained(folder: string, name: string, limit: number): Uint8Array {
  const path = join(folder, name);
  try {
    return readSmallFile(containedFile(folder, name), limit);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

function readConfig(folder: string): unknown {
  return parseBoundedJson(
    readContained(folder, 'config.json', MAX_CONFIG_BYTES),
    CONFIG_LIMITS,
    join(folder, 'config.json'),
  );
}

function readIndex(folder: string): WeightMap {
  return parseShardIndex(
    readContained(folder, INDEX_FILE_NAME, MAX_INDEX_BYTES),
    join(folder, INDEX_FILE_NAME),
  );
}

/** The shard's path; a missing one is reported with a tensor that needs it. */
function locateShard(folder: string, fileName: string, weightMap: WeightMap | undefined): string {
  try {
    return containedFile(folder, fileName);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw fileError(error, 'read', join(folder, fileName));
    const [tensor] = [...(weightMap ?? [])].find(([, file]) => file === fileName) ?? [];
    throw new RequestError(
      `${join(folder, fileName)} is missing${tensor === undefined ? '' : `; ${INDEX_FILE_NAME} says it holds tensor ${JSON.stringify(tensor)}`}`,
      { cause: error },
    );
  }
}
