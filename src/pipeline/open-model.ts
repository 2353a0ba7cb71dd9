/**
 * From what people call a model to its folder: a folder as it is, a name on the hub through the cache.
 * @module
 */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js';
import { isHubName, resolveModel } from '../config/resolve-model.js';
import type { DownloadProgress } from '../hub/download-files.js';
import { type FetchedModel, fetchModel, locateModel } from '../hub/fetch-model.js';
import { hubFromEnvironment } from '../hub/hub.js';
import { UnansweredError, UnknownRepositoryError } from '../hub/refusal.js';
import type { ProgressListener } from './progress/progress.js';

export interface OpenModelOptions {
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelFolder {
  /** What to call it so that it stays the same: the folder, or `org/name@commit`. */
  readonly name: string;
  /** Absolute where it is the cache's. */
  readonly folder: string;
  readonly notes: readonly string[];
}

/**
 * The folder of a run file's `model`; what the cache lacks of a name on the hub is downloaded.
 * @param model as `resolveModel` gives it
 * @throws as `locateModel`
 */
export async function modelFolder(model: string, options: OpenModelOptions = {}): Promise<ModelFolder> {
  if (!isHubName(model)) return { name: model, folder: model, notes: [] };
  try {
    const located = await withProgress(options, (shown) => locateModel(hubFromEnvironment(), model, shown));
    const { model: id, commit, folder, notes } = located;
    return { name: `${id}@${commit}`, folder, notes };
  } catch (error) {
    // A relative folder of two parts looks the same.
    if (error instanceof UnknownRepositoryError)
      throw new UnknownRepositoryError(`${error.message}. There is no folder ${model} either`, {
        cause: error,
      });
    if (error instanceof UnansweredError)
      throw new UnansweredError(`${error.message}. There is no folder ${model}, so the hub was asked`, {
        cause: error,
      });
    throw error;
  }
}

/**
 * The folder of a checkpoint that is given on its own, relative to the working directory.
 * @throws as `modelFolder`
 */
export async function checkpointFolder(
  checkpoint: string,
  options: OpenModelOptions = {},
): Promise<ModelFolder> {
  return await modelFolder(resolveModel(checkpoint, process.cwd()), options);
}

/** Opens the model of a run file. @throws as `modelFolder` and `openCheckpoint` */
export async function openModel(model: string, options: OpenModelOptions = {}): Promise<Checkpoint> {
  const { folder, notes } = await modelFolder(model, options);
  const checkpoint = await openCheckpoint(folder);
  return { ...checkpoint, notes: [...notes, ...checkpoint.notes] };
}

/** The `fetch` command's work. @throws as `fetchModel` */
export async function runFetch(name: string, options: OpenModelOptions = {}): Promise<FetchedModel> {
  return await withProgress(options, (shown) => fetchModel(hubFromEnvironment(), name, shown));
}

/** Tells the listener of a download while `work` does it. */
async function withProgress<T>(
  { onProgress, signal }: OpenModelOptions,
  work: (options: {
    signal: AbortSignal | undefined;
    onProgress: (progress: DownloadProgress) => void;
    onWait: (message: string) => void;
  }) => Promise<T>,
): Promise<T> {
  let last: DownloadProgress | undefined;
  const result = await work({
    signal,
    onWait: (message) => onProgress?.({ kind: 'note', message }),
    onProgress: (progress) => {
      last = progress;
      const { repository: model, files, filesDone, bytes, bytesDone, received, seconds } = progress;
      const rate = received > 0 && seconds > 0 ? received / seconds : undefined;
      onProgress?.({
        kind: 'download',
        model,
        files,
        filesDone,
        bytes,
        bytesDone,
        ...(rate === undefined ? {} : { bytesPerSecond: rate, etaSeconds: (bytes - bytesDone) / rate }),
      });
    },
  });
  if (last) {
    const { repository: model, files, received, seconds } = last;
    onProgress?.({ kind: 'download-end', model, files, received, seconds });
  }
  return result;
}
