/**
 * What a repository on the hub holds at a revision.
 * @module
 */
import { z } from 'zod';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { plainNameProblem } from '../checkpoint/contained-file.js';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError, RunError } from '../errors.js';
import type { Hub } from './hub.js';
import { refusal, UnansweredError } from './refusal.js';
import { describeRepository, isCommit, type Repository } from './repository.js';
import { Retries, TransientError } from './retries.js';
import { send } from './send.js';

/** Far above any model; data sets in single documents go beyond and have to be packed. */
const MAX_FILES = 100_000;
/** The hub sends a thousand entries a page, in less than a megabyte; folders and what is no file are among them. */
const MAX_PAGE_BYTES = 32_000_000;
const MAX_PAGES = 1_000;
const PAGE_LIMITS = { maxDepth: 16, maxValues: 2_000_000 };
/** Longest path within a repository; file systems end at 4,096 with the cache's folder before it. */
const MAX_PATH_BYTES = 1_024;

/** How a file's content is known; `digest` is also its name among the cache's blobs. */
export interface ContentHash {
  /** `sha256` of the content (large files), or git's SHA-1 over `blob <size>\0` and the content. */
  readonly algorithm: 'sha256' | 'git-sha1';
  /** Hexadecimal. */
  readonly digest: string;
}

export interface RepositoryFile {
  /** Relative to the repository, `/` between parts. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly hash: ContentHash;
}

export interface RepositoryListing {
  /** In the hub's order. */
  readonly files: readonly RepositoryFile[];
  /** Files whose names can't be used here, each with the reason. */
  readonly unusable: readonly { readonly path: string; readonly reason: string }[];
}

const revisionSchema = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const size = z.int().nonnegative();
const pageSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    oid: z.string().regex(/^[0-9a-f]{40}$/),
    size: size.default(0),
    lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size }).nullish(),
  }),
);

/**
 * The commit that a repository's revision is now. A revision that is a commit is given back without a request.
 * @throws RequestError when there is no such repository or revision, or it may not be read; UnansweredError when the hub fails too
 *   often, RunError when its answer is malformed
 */
export async function resolveCommit(hub: Hub, repository: Repository, signal?: AbortSignal): Promise<string> {
  const { type, id, revision } = repository;
  if (isCommit(revision)) return revision;
  const address = `${hub.endpoint}/api/${type}s/${id}/revision/${encodeURIComponent(revision)}`;
  const { value } = await getJson(hub, repository, address, signal);
  return checked(revisionSchema, value, repository).sha;
}

/**
 * All files of a repository at a commit, in all folders or in one and those within it.
 * @param folder without a slash at the end; all when left out
 * @throws RequestError when it may not be read, or there is no such folder; UnansweredError when the hub fails too often,
 *   RunError when its answer is malformed
 */
export async function listFiles(
  hub: Hub,
  repository: Repository,
  commit: string,
  signal?: AbortSignal,
  folder?: string,
): Promise<RepositoryListing> {
  const { type, id } = repository;
  const files: RepositoryFile[] = [];
  const unusable: { path: string; reason: string }[] = [];
  const below = folder === undefined ? '' : `/${folder.split('/').map(encodeURIComponent).join('/')}`;
  let address: string | undefined =
    `${hub.endpoint}/api/${type}s/${id}/tree/${commit}${below}?recursive=true`;
  for (let pages = 0; address !== undefined; pages++) {
    if (pages >= MAX_PAGES)
      throw new RunError(
        `the hub's listing of ${describeRepository(repository)} has more than ${MAX_PAGES} pages`,
      );
    const page: Page = await getJson(hub, { ...repository, revision: commit }, address, signal);
    for (const entry of checked(pageSchema, page.value, repository)) {
      if (entry.type !== 'file') continue;
      if (files.length + unusable.length >= MAX_FILES)
        throw new RequestError(
          `${describeRepository(repository)} has more than ${MAX_FILES} files, which are not listed`,
        );
      const reason = pathProblem(entry.path);
      if (reason === undefined) files.push(repositoryFile(entry));
      else unusable.push({ path: shortened(entry.path), reason });
    }
    address = page.next;
  }
  return { files, unusable };
}

function repositoryFile({ path, size, oid, lfs }: z.infer<typeof pageSchema>[number]): RepositoryFile {
  return lfs
    ? { path, size: lfs.size, hash: { algorithm: 'sha256', digest: lfs.oid } }
    : { path, size, hash: { algorithm: 'git-sha1', digest: oid } };
}

function pathProblem(path: string): string | undefined {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  return path
    .split('/')
    .map(plainNameProblem)
    .find((problem) => problem !== undefined);
}

interface Page {
  readonly value: unknown;
  /** Address of the next page. */
  readonly next: string | undefined;
}

async function getJson(
  hub: Hub,
  repository: Repository,
  address: string,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const retries = new Retries(hub, describeRepository(repository), signal, UnansweredError);
  for (;;) {
    try {
      const answer = await send(hub, address, { signal });
      try {
        if (answer.status !== 200) throw refusal(hub, repository, answer);
        const bytes = await readBounded(answer.body(), repository);
        return { value: parseAnswer(bytes, repository), next: nextPage(answer.headers.get('link'), hub) };
      } finally {
        answer.close();
      }
    } catch (error) {
      await retries.after(error);
    }
  }
}

/** @throws RunError, since nobody's request is to blame */
function parseAnswer(bytes: Uint8Array, repository: Repository): unknown {
  try {
    return parseBoundedJson(bytes, PAGE_LIMITS, `the hub's answer about ${describeRepository(repository)}`);
  } catch (cause) {
    throw new RunError((cause as Error).message, { cause });
  }
}

async function readBounded(body: AsyncIterable<Uint8Array>, repository: Repository): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > MAX_PAGE_BYTES)
      throw new RunError(
        `the hub's answer about ${describeRepository(repository)} is longer than ${MAX_PAGE_BYTES} bytes`,
      );
    pieces.push(piece);
  }
  if (bytes === 0) throw new TransientError('the server answered nothing');
  return Buffer.concat(pieces);
}

/** The page that a Link header (RFC 8288) calls next; only the hub's own. */
function nextPage(link: string | null, hub: Hub): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  if (!URL.canParse(target, hub.endpoint)) throw new RunError(`${hub.endpoint} names no next page`);
  const url = new URL(target, hub.endpoint);
  if (url.origin !== new URL(hub.endpoint).origin)
    throw new RunError(`${hub.endpoint} continues its listing on ${url.host}, which is not followed`);
  return url.href;
}

function checked<T>(schema: z.ZodType<T>, value: unknown, repository: Repository): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new RunError(
    `the hub's answer about ${describeRepository(repository)} is malformed: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}
