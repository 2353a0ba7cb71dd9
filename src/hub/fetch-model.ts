/**
 * A model from the hub as a folder of the cache.
 * @module
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { containedFile } from '../checkpoint/contained-file.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import {
  INDEX_FILE_NAME,
  MAX_INDEX_BYTES,
  parseShardIndex,
  SINGLE_FILE_NAME,
} from '../checkpoint/shard-index.js';
import { RequestError, RunError } from '../errors.js';
import { nameSome } from '../name-some.js';
import { cachedCommit, isAbsent, snapshotFolder, writeAbsence, writeRef } from './cache.js';
import { type DownloadOptions, downloadFiles } from './download-files.js';
import type { Hub } from './hub.js';
import { listFiles, type RepositoryFile, type RepositoryListing, resolveCommit } from './list-files.js';
import { UnknownRepositoryError } from './refusal.js';
import { describeRepository, isCommit, parseRepository, type Repository } from './repository.js';
import { findShards, selectModelFiles } from './select-model-files.js';

/** What a model needs beside configuration and weights, where its repository has it. */
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json'] as const;

export interface FetchedModel {
  /** `org/name` */
  readonly model: string;
  readonly revision: string;
  readonly commit: string;
  /** Absolute path of the snapshot: a checkpoint's folder. */
  readonly folder: string;
  /** What was not in the cache before. */
  readonly downloadedFiles: number;
  readonly downloadedBytes: number;
  readonly notes: readonly string[];
}

/**
 * Asks the hub what a model's revision is now and which files it has, and downloads what the cache lacks of them. Offline
 * nothing is asked.
 *
 * @param name `org/name[@revision]`
 * @throws RequestError when there is no such model, it may not be read, has no safetensors, or, offline, isn't in the cache;
 *   RunError when hub or network fail, or send other files than announced; the signal's reason when it is aborted
 */
export async function fetchModel(
  hub: Hub,
  name: string,
  options: DownloadOptions = {},
): Promise<FetchedModel> {
  const repository = parseRepository(name);
  if (hub.offline) return fromCacheAlone(repository, findCached(hub, repository));
  const { signal } = options;
  const commit = await resolveCommit(hub, repository, signal);
  const listing = await listFiles(hub, repository, commit, signal);
  const fetched = await download(hub, repository, commit, listing, options);
  if (!isCommit(repository.revision)) await writeRef(hub, repository, commit);
  return fetched;
}

/**
 * The model as the cache has it, without asking the hub, when it is complete. What it lacks of a commit that it has in part is
 * downloaded, of that commit, wherever the branch is now; where the hub can't say what that is, a snapshot will do whose
 * configuration and weights are complete, and a note says what it lacks. A model that the cache has nothing of is fetched.
 * @throws as `fetchModel`
 */
export async function locateModel(
  hub: Hub,
  name: string,
  options: DownloadOptions = {},
): Promise<FetchedModel> {
  const repository = parseRepository(name);
  const cached = findCached(hub, repository);
  if (cached?.missing.length === 0) return unchanged(repository, cached);
  if (hub.offline) return fromCacheAlone(repository, cached);
  if (cached === undefined) return await fetchModel(hub, name, options);
  let listing: RepositoryListing;
  try {
    listing = await listFiles(hub, repository, cached.commit, options.signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof RunError) || !cached.usable) throw error;
    return unchanged(repository, cached, error.message);
  }
  return await download(hub, repository, cached.commit, listing, options);
}

async function download(
  hub: Hub,
  repository: Repository,
  commit: string,
  { files, unusable }: RepositoryListing,
  options: DownloadOptions,
): Promise<FetchedModel> {
  const { id, revision } = repository;
  const name = describeRepository(repository);
  const folder = snapshotFolder(hub, repository, commit);
  const { others, single, index } = selectModelFiles(files, name);
  let first = { files: 0, bytes: 0 };
  let weights = single ? [single] : [];
  if (index) {
    first = await downloadFiles(hub, repository, commit, [index], {
      signal: options.signal,
      onWait: options.onWait,
    });
    weights = findShards(files, readIndex(folder), name);
  }
  // Weights come last: a snapshot with all of them has everything.
  const wanted = [...others, ...weights];
  const { files: count, bytes } = await downloadFiles(hub, repository, commit, wanted, options);
  for (const path of TOKENIZER_FILES)
    if (files.every((file) => file.path !== path)) writeAbsence(hub, repository, commit, path);
  const taken = new Set(index ? [...wanted, index] : wanted);
  return {
    model: id,
    revision,
    commit,
    folder,
    downloadedFiles: first.files + count,
    downloadedBytes: first.bytes + bytes,
    notes: [
      ...leftOutNotes(files.filter((file) => !taken.has(file))),
      ...unusable.map(({ path, reason }) => `${JSON.stringify(path)} was left out: ${reason}`),
    ],
  };
}

/** Names of the shards in the index of a snapshot. */
function readIndex(folder: string): Set<string> {
  const path = containedFile(folder, INDEX_FILE_NAME);
  return new Set(parseShardIndex(readSmallFile(path, MAX_INDEX_BYTES), path).values());
}

function leftOutNotes(files: readonly RepositoryFile[]): string[] {
  if (files.length === 0) return [];
  return [`left out, since they are not read: ${nameSome(files.map(({ path }) => path))}`];
}

/** What the cache has of a revision. */
interface CachedModel {
  readonly commit: string;
  readonly folder: string;
  /** Files that a model should have and the snapshot lacks. */
  readonly missing: readonly string[];
  /** Whether configuration and weights are there. */
  readonly usable: boolean;
}

function findCached(hub: Hub, repository: Repository): CachedModel | undefined {
  const commit = cachedCommit(hub, repository);
  if (commit === undefined) return undefined;
  const folder = snapshotFolder(hub, repository, commit);
  const has = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true;
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return undefined;
  const sharded = !has(SINGLE_FILE_NAME) && has(INDEX_FILE_NAME);
  const weights = sharded ? [...readIndex(folder)] : [SINGLE_FILE_NAME];
  const needed = ['config.json', ...weights].filter((name) => !has(name));
  const missing = [
    ...needed,
    ...TOKENIZER_FILES.filter((name) => !has(name) && !isAbsent(hub, repository, commit, name)),
  ];
  return { commit, folder, missing, usable: needed.length === 0 };
}

function fromCacheAlone(repository: Repository, cached: CachedModel | undefined): FetchedModel {
  if (cached?.usable) return unchanged(repository, cached, 'HF_HUB_OFFLINE is set');
  const name = describeRepository(repository);
  if (cached === undefined)
    throw new UnknownRepositoryError(
      `${name} is not in the cache, and HF_HUB_OFFLINE is set; take it out to download, or give a folder`,
    );
  throw new RequestError(
    `${name} is in the cache without ${cached.missing.join(', ')}, and HF_HUB_OFFLINE is set; take it out to download the rest`,
  );
}

/** @param reason why the hub wasn't asked for what is missing */
function unchanged(repository: Repository, cached: CachedModel, reason = ''): FetchedModel {
  const { id, revision } = repository;
  const { commit, folder, missing } = cached;
  const notes =
    missing.length === 0
      ? []
      : [
          `${describeRepository(repository)} is taken from the cache without ${missing.join(', ')}: ${reason}`,
        ];
  return { model: id, revision, commit, folder, downloadedFiles: 0, downloadedBytes: 0, notes };
}
