/**
 * Writes a new checkpoint tensor by tensor, in any order and from several threads.
 *
 * The writer creates each shard at its full size under a temporary name and says where every tensor's bytes belong;
 * whoever has them writes them there (positioned writes through a descriptor of its own) and reports the tensor
 * complete. A shard gets its final name when its last tensor is complete and the file is synced.
 * @module
 */
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RequestError } from '../errors.js';
import { copyFileAtomically, publishFile, syncFile, writeFileAtomically } from './atomic-file.js';
import type { Checkpoint } from './checkpoint.js';
import type { Dtype } from './dtype.js';
import { fileError } from './file-error.js';
import { makeFolder } from './make-folder.js';
import { createShardFile, matchesPlan, requireSpace } from './shard-file.js';
import { encodeShardIndex, INDEX_FILE_NAME } from './shard-index.js';
import { type PlannedShard, type PlannedTensor, type ShardPlan, weightMapOf } from './shard-plan.js';

/** Where a tensor's bytes belong right now. */
export interface TensorLocation {
  /** Absolute; the shard's temporary file until the shard is complete, its final one afterwards. */
  readonly path: string;
  /** Absolute position in the file. */
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface CheckpointWriter {
  /** @throws RangeError when the plan has no such tensor */
  locate(name: string): TensorLocation;
  /** Says that so many more bytes of the tensor have been written, so that they can be on their way to the disk early. */
  wrote(name: string, bytes: number): void;
  /**
   * Says that every byte of the tensor has been written. When it is the last of its shard, the shard is synced and
   * renamed before the promise resolves. Saying it again changes nothing.
   * @throws RequestError or RunError naming the shard when it can't be synced or renamed
   */
  complete(name: string): Promise<void>;
  /**
   * Flushes what has been written so far to the disk. Call it before recording elsewhere, for a later resume, that
   * tensors are complete: without it a power cut could keep that record and lose their bytes.
   */
  sync(): Promise<void>;
  /** Whether the tensor was reported complete, or lies in a shard that has its final name. */
  isComplete(name: string): boolean;
  /**
   * Copies the source's other files and then writes the index (none for a single shard): a checkpoint is whole as
   * soon as its index, or single shard and config, are there.
   * @throws Error when a shard is not complete; RequestError or RunError when a file can't be written
   */
  finish(options: CopyOptions): Promise<void>;
  /** Waits for flushes and renames under way; no other call is allowed afterwards. Unfinished shards stay, to be resumed. */
  close(): Promise<void>;
}

export interface CopyOptions {
  readonly copyFrom: Pick<Checkpoint, 'folder' | 'otherFiles'>;
  /** By name, the text that takes the place of what a file holds. */
  readonly changed?: ReadonlyMap<string, string> | undefined;
}

export interface CheckpointWriterOptions {
  /** Created when missing. */
  readonly folder: string;
  readonly plan: ShardPlan;
  /** Go on with the files of an earlier run with the same plan; without it they are overwritten. */
  readonly resume: boolean;
}

interface ShardState {
  readonly planned: PlannedShard;
  readonly temporaryPath: string;
  readonly finalPath: string;
  readonly complete: Set<string>;
  /** Whether the file has its final name. */
  published: boolean;
  publishing: Promise<void> | undefined;
  /** Of tensors that aren't complete, the bytes that were reported. */
  readonly written: Map<string, number>;
  /** Bytes reported since the last flush began. */
  unflushed: number;
  /** The flush under way, or one that failed: whatever relies on the data being on the disk waits for it, and fails. */
  flushing: Promise<void> | undefined;
}

/**
 * Written bytes after which their way to the disk begins, so that it happens while others compute and not when
 * somebody has to wait for it.
 */
const FLUSH_BYTES = 33_554_432;

/** What a shard is called until it is complete. */
const TEMPORARY_SUFFIX = '.partial';

/** Shards of a plan, by index, whose files an earlier run left with the planned size and header. */
export interface KeptShards {
  /** Complete, under their final name. */
  readonly final: ReadonlySet<number>;
  /** Under the temporary name: which tensors are complete must be known from elsewhere. */
  readonly temporary: ReadonlySet<number>;
}

const NOTHING: KeptShards = { final: new Set(), temporary: new Set() };

/** What a writer would keep with `resume`. @throws RequestError or RunError naming a file that can't be read */
export function keptShards(folder: string, plan: ShardPlan): KeptShards {
  const final = new Set<number>();
  const temporary = new Set<number>();
  for (const [index, shard] of plan.shards.entries()) {
    const path = join(resolve(folder), shard.fileName);
    if (matchesPlan(path, shard)) final.add(index);
    else if (matchesPlan(path + TEMPORARY_SUFFIX, shard)) temporary.add(index);
  }
  return { final, temporary };
}

/**
 * Creates or finds the shards' files. With `resume`, files are kept whose size and header are the plan's: under the
 * final name they are complete, under the temporary name their tensors have to be reported complete again.
 * @throws RequestError when the folder can't be written, has too little space, or holds weights of another
 *   checkpoint; nothing that was created remains then
 */
export async function createCheckpointWriter(options: CheckpointWriterOptions): Promise<CheckpointWriter> {
  const folder = resolve(options.folder);
  const { plan } = options;
  const shards = plan.shards.map((planned): ShardState => {
    const finalPath = join(folder, planned.fileName);
    return {
      planned,
      finalPath,
      temporaryPath: finalPath + TEMPORARY_SUFFIX,
      complete: new Set(),
      written: new Map(),
      published: false,
      publishing: undefined,
      unflushed: 0,
      flushing: undefined,
    };
  });
  prepareFiles(folder, plan, shards, options.resume ? keptShards(folder, plan) : NOTHING);

  let closed = false;
  const find = (name: string): [PlannedTensor, ShardState] => {
    if (closed) throw new Error(`the writer of ${folder} is closed`);
    const tensor = plan.tensors.get(name);
    const shard = tensor === undefined ? undefined : shards[tensor.shard];
    if (tensor === undefined || shard === undefined)
      throw new RangeError(`the plan of ${folder} has no tensor ${JSON.stringify(name)}`);
    return [tensor, shard];
  };

  return {
    locate(name) {
      const [{ offset, bytes, dtype, shape }, shard] = find(name);
      return { path: shard.published ? shard.finalPath : shard.temporaryPath, offset, bytes, dtype, shape };
    },
    wrote(name, bytes) {
      const [, shard] = find(name);
      if (shard.published || shard.complete.has(name)) return;
      shard.written.set(name, (shard.written.get(name) ?? 0) + bytes);
      shard.unflushed += bytes;
      flushBehind(shard);
    },
    async complete(name) {
      const [{ bytes }, shard] = find(name);
      if (!shard.complete.has(name)) shard.unflushed += bytes - (shard.written.get(name) ?? 0);
      shard.written.delete(name);
      shard.complete.add(name);
      if (shard.published) return;
      if (shard.complete.size < shard.planned.tensors.length) {
        flushBehind(shard);
        return;
      }
      shard.publishing ??= publishShard(shard);
      await shard.publishing;
    },
    async sync() {
      if (closed) throw new Error(`the writer of ${folder} is closed`);
      for (const shard of shards)
        if (shard.publishing !== undefined) await shard.publishing;
        else if (!shard.published && shard.complete.size > 0) await syncShard(shard);
    },
    isComplete(name) {
      const [, shard] = find(name);
      return shard.published || shard.complete.has(name);
    },
    async finish(options) {
      if (closed) throw new Error(`the writer of ${folder} is closed`);
      for (const { published, planned, complete } of shards) {
        if (published) continue;
        const missing = planned.tensors.find(({ name }) => !complete.has(name));
        throw new Error(`${planned.fileName} is not complete: ${missing?.name ?? 'its rename'} is missing`);
      }
      await copyFiles(options, folder);
      if (shards.length > 1) await writeFileAtomically(join(folder, INDEX_FILE_NAME), encodeIndex(plan));
    },
    async close() {
      closed = true;
      await Promise.allSettled(shards.flatMap(({ publishing, flushing }) => [publishing, flushing]));
    },
  };
}

/** Begins to flush a shard when enough of it is new and no flush is under way. */
function flushBehind(shard: ShardState): void {
  if (shard.flushing !== undefined || shard.unflushed < FLUSH_BYTES) return;
  shard.unflushed = 0;
  shard.flushing = syncFile(shard.temporaryPath);
  shard.flushing.then(
    () => {
      shard.flushing = undefined;
    },
    // Kept: the system reports lost data once, so a later sync may succeed.
    () => {},
  );
}

async function syncShard(shard: ShardState): Promise<void> {
  await shard.flushing;
  shard.unflushed = 0;
  await syncFile(shard.temporaryPath);
}

async function publishShard(shard: ShardState): Promise<void> {
  await syncShard(shard);
  await publishFile(shard.temporaryPath, shard.finalPath);
  shard.published = true;
}

/** Leaves the folder with one file a shard, or, on an error, without the files it made. */
function prepareFiles(
  folder: string,
  plan: ShardPlan,
  shards: readonly ShardState[],
  kept: KeptShards,
): void {
  const created: string[] = [];
  let firstNewFolder: string | undefined;
  try {
    firstNewFolder = makeFolder(folder);
    refuseOtherWeights(folder, plan);
    for (const index of kept.final) {
      const shard = shards[index];
      if (shard) shard.published = true;
    }
    const missing = shards.filter((_, index) => !kept.final.has(index) && !kept.temporary.has(index));
    // First, so that their space counts as free.
    for (const { temporaryPath } of missing) rmSync(temporaryPath, { force: true });
    requireSpace(
      folder,
      missing.reduce((sum, { planned }) => sum + planned.size, 0),
    );
    for (const { temporaryPath, planned } of missing) {
      created.push(temporaryPath);
      createShardFile(temporaryPath, planned);
    }
  } catch (error) {
    for (const path of created) rmSync(path, { force: true });
    removeNewFolders(folder, firstNewFolder);
    throw error;
  }
}

/**
 * A loader prefers `model.safetensors`, so weights left from another checkpoint could be loaded instead of ours.
 * @param goes whether a file is about to be removed
 * @throws RequestError naming the first weights in the folder that the plan doesn't have
 */
export function refuseOtherWeights(
  folder: string,
  { shards }: ShardPlan,
  goes: (name: string) => boolean = () => false,
): void {
  const ours = new Set(shards.flatMap(({ fileName }) => [fileName, fileName + TEMPORARY_SUFFIX]));
  if (shards.length > 1) ours.add(INDEX_FILE_NAME);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw fileError(error, 'list', folder);
  }
  const other = names.find(
    (name) => /\.safetensors(\.partial|\.index\.json)?$/.test(name) && !ours.has(name) && !goes(name),
  );
  if (other !== undefined)
    throw new RequestError(
      `${join(folder, other)} belongs to another checkpoint than the one to be written; remove it or choose another output`,
    );
}

/** Removes the folders that `mkdir` made, as far as they are empty. */
function removeNewFolders(folder: string, first: string | undefined): void {
  if (first === undefined) return;
  try {
    for (let at = folder; ; at = dirname(at)) {
      rmdirSync(at);
      if (at === first) return;
    }
  } catch {
    // Somebody else put something there; it stays.
  }
}

async function copyFiles({ copyFrom, changed }: CopyOptions, folder: string): Promise<void> {
  for (const name of copyFrom.otherFiles) {
    const to = join(folder, name);
    makeFolder(dirname(to));
    const text = changed?.get(name);
    if (text === undefined) await copyFileAtomically(join(copyFrom.folder, name), to);
    else await writeFileAtomically(to, text);
  }
}

/** Its names are sorted, as huggingface_hub does. */
function encodeIndex(plan: ShardPlan): string {
  const entries = weightMapOf(plan.shards).sort(([a], [b]) => compareCodePoints(a, b));
  return encodeShardIndex(entries, plan.totalBytes);
}

/** Python's order of strings; JavaScript's own compares UTF-16 units. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
