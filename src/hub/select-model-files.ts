/**
 * Which files of a model's repository a checkpoint is made of.
 * @module
 */
import { MAX_CONFIG_BYTES } from '../checkpoint/checkpoint.js';
import { isCompanion, isWeights, leftOutReason } from '../checkpoint/file-kinds.js';
import { INDEX_FILE_NAME, MAX_INDEX_BYTES, SINGLE_FILE_NAME } from '../checkpoint/shard-index.js';
import { RequestError } from '../errors.js';
import type { RepositoryFile } from './list-files.js';

/** The largest tokenizers have some 40 MB. */
const MAX_OTHER_BYTES = 100_000_000;
const HIDDEN_FILE = /(?:^|\/)\.[^/]*$/;

export interface ModelFiles {
  /** Everything but the weights. */
  readonly others: readonly RepositoryFile[];
  /** All weights in one file. */
  readonly single: RepositoryFile | undefined;
  /** Says in which files the weights are; only without `single`. */
  readonly index: RepositoryFile | undefined;
}

/**
 * @param name of the model, for messages
 * @throws RequestError when there is no configuration, or no safetensors, or they are larger than any
 */
export function selectModelFiles(files: readonly RepositoryFile[], name: string): ModelFiles {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const config = byPath.get('config.json');
  if (config === undefined)
    throw new RequestError(`${name} has no config.json, so it is no model that can be read`);
  requireAtMost(config, MAX_CONFIG_BYTES, name);
  const single = byPath.get(SINGLE_FILE_NAME);
  const index = single === undefined ? byPath.get(INDEX_FILE_NAME) : undefined;
  if (single === undefined && index === undefined) {
    const weights = files.find(({ path }) => isWeights(path));
    const found =
      weights === undefined ? 'no weights at all' : `weights in other files, such as ${weights.path}`;
    throw new RequestError(
      `${name} has neither ${SINGLE_FILE_NAME} nor ${INDEX_FILE_NAME}, only ${found}; choose a model or a revision with safetensors, or convert it and give the folder`,
    );
  }
  if (index !== undefined) requireAtMost(index, MAX_INDEX_BYTES, name);
  const others = files.filter(
    ({ path, size }) =>
      isCompanion(path) &&
      leftOutReason(path) === undefined &&
      !HIDDEN_FILE.test(path) &&
      size <= MAX_OTHER_BYTES,
  );
  return { others, single, index };
}

/**
 * The shards that an index names, from the repository's files.
 * @throws RequestError naming a shard that the repository lacks
 */
export function findShards(
  files: readonly RepositoryFile[],
  fileNames: Iterable<string>,
  name: string,
): RepositoryFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [...new Set(fileNames)].sort().map((fileName) => {
    const file = byPath.get(fileName);
    if (file === undefined)
      throw new RequestError(
        `${name}: ${INDEX_FILE_NAME} names ${fileName}, which the repository doesn't have`,
      );
    return file;
  });
}

function requireAtMost({ path, size }: RepositoryFile, limit: number, name: string): void {
  if (size > limit) throw new RequestError(`${name}: ${path} has ${size} bytes; ${limit} at most are read`);
}
