/**
 * Text files of a dataset on the hub: streamed, as far as they are read, or taken from the cache where they are in it.
 * @module
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { matchesName } from '../config/match-name.js';
import { type HubSource, hubFileName } from '../config/text-source.js';
import { RequestError } from '../errors.js';
import { cachedCommit, hasFile, snapshotFolder } from '../hub/cache.js';
import type { Hub } from '../hub/hub.js';
import { listFiles, type RepositoryFile, resolveCommit } from '../hub/list-files.js';
import { describeRepository, parseRepository, type Repository } from '../hub/repository.js';
import { streamFile } from '../hub/stream-file.js';
import { HubRangeReader } from './hub-range-reader.js';
import { localTextFile } from './local-text-file.js';
import type { TextFile } from './text-file.js';

/** Names that a message suggests. */
const suggestedNames = 3;

export interface HubTextFiles {
  /** Of the dataset. */
  readonly commit: string;
  /** In the order of their names. */
  readonly files: readonly TextFile[];
}

function repositoryOf({ hub, revision }: HubSource): Repository {
  return parseRepository(`${hub}@${revision}`, 'dataset');
}

/** Paths of all files in a snapshot of the cache. */
function cachedPaths(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile())
    .map((path) => path.split(sep).join('/'));
}

/** Letters from the beginning that two names have in common. */
function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function requireMatches(source: HubSource, names: readonly string[], place: string): string[] {
  const matching = names.filter((name) => matchesName(source.files, name)).sort();
  if (matching.length > 0) return matching;
  const nearest = names
    .map((name) => ({ name, common: commonPrefix(source.files, name) }))
    .sort((a, b) => b.common - a.common || (a.name < b.name ? -1 : 1))
    .slice(0, suggestedNames)
    .map(({ name }) => name);
  const hint = nearest.length === 0 ? '' : `; the nearest names are ${nearest.join(', ')}`;
  throw new RequestError(
    `${describeRepository(repositoryOf(source))} has no file ${source.files} ${place}${hint}`,
  );
}

/** Files of the folder that a pattern begins with, by their paths; all where none of those matches. */
async function listMatching(
  hub: Hub,
  repository: Repository,
  commit: string,
  pattern: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, RepositoryFile>> {
  const fixed = pattern.split('*', 1)[0] ?? '';
  const folder = fixed.slice(0, Math.max(0, fixed.lastIndexOf('/')));
  const list = async (below?: string) => {
    const { files } = await listFiles(hub, repository, commit, signal, below);
    return new Map(files.map((file) => [file.path, file]));
  };
  if (folder === '') return await list();
  try {
    const files = await list(folder);
    if ([...files.keys()].some((path) => matchesName(pattern, path))) return files;
  } catch (error) {
    // There may be no such folder; whatever else it is happens again.
    if (!(error instanceof RequestError)) throw error;
  }
  return await list();
}

/**
 * Finds the files of a source. A single one that the cache has of the revision is taken without asking the hub; offline, so is
 * every other; else the hub says which there are, and those that the cache has are read there.
 * @throws RequestError when there is no such dataset, revision or file, or it may not be read; RunError when the hub fails
 */
export async function findHubFiles(hub: Hub, source: HubSource, signal?: AbortSignal): Promise<HubTextFiles> {
  const repository = repositoryOf(source);
  const cached = (commit: string, path: string): TextFile => ({
    ...localTextFile(join(snapshotFolder(hub, repository, commit), ...path.split('/'))),
    name: hubFileName(repository.id, commit, path),
  });
  const known = cachedCommit(hub, repository);
  const paths = known === undefined ? [] : cachedPaths(snapshotFolder(hub, repository, known));
  if (known !== undefined && paths.includes(source.files)) {
    return { commit: known, files: [cached(known, source.files)] };
  }
  if (hub.offline) {
    if (known === undefined)
      throw new RequestError(
        `${describeRepository(repository)} is not in the cache, and HF_HUB_OFFLINE is set; take it out to read from the hub`,
      );
    const matching = requireMatches(source, paths, 'in the cache, and HF_HUB_OFFLINE is set');
    return { commit: known, files: matching.map((path) => cached(known, path)) };
  }
  const commit = await resolveCommit(hub, repository, signal);
  const byPath = await listMatching(hub, repository, commit, source.files, signal);
  const snapshot = snapshotFolder(hub, repository, commit);
  const textFile = (path: string): TextFile => {
    const file = byPath.get(path) as RepositoryFile;
    if (hasFile(join(snapshot, ...path.split('/')), file.size)) return cached(commit, path);
    const remote = { repository, commit, file };
    return {
      name: hubFileName(repository.id, commit, path),
      chunks: () => streamFile(hub, remote, { signal }),
      openRanges: async () => new HubRangeReader(hub, remote, signal),
    };
  };
  const matching = requireMatches(source, [...byPath.keys()], `at ${commit.slice(0, 12)}`);
  return { commit, files: matching.map(textFile) };
}
