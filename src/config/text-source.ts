/**
 * Where text comes from: a file, or files of a dataset on the hub.
 * @module
 */
import { DEFAULT_REVISION, isRepositoryId, isRevision } from '../hub/repository.js';

/** A text file; `path` is absolute once a run file is loaded. */
export interface FileSource {
  readonly path: string;
  /** The field or column that holds the text or the messages; `text` or `messages` when left out. */
  readonly field?: string;
}

/** Files of a dataset on the hub. */
export interface HubSource {
  /** `org/name` */
  readonly hub: string;
  /** Which of its files, in the order of their names: a path, in which `*` stands for any run of characters. */
  readonly files: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** As in {@link FileSource}. */
  readonly field?: string;
}

export type TextSource = FileSource | HubSource;

/** How Hugging Face's own tools write a file of a dataset. */
const hubScheme = 'hf://';

/** The revisions that are written as they are, of pull requests and of what the hub converts; in others a slash is `%2F`. */
const specialRevision = /refs\/(?:convert\/[\w.-]+|pr\/\d+)/;

const hubForm = new RegExp(
  `^hf://datasets/([^/@]+/[^/@]+)(?:@(${specialRevision.source}|(?!${specialRevision.source})[^/@]+))?/(.+)$`,
);

/** The form of {@link parseTextSource} that isn't a path, for messages. */
export const hubAddressForm = 'hf://datasets/org/name/files';

/**
 * A path, or `hf://datasets/org/name[@revision]/files`.
 * @see https://huggingface.co/docs/huggingface_hub/guides/hf_file_system
 * @returns undefined for what begins like the latter and isn't
 */
export function parseTextSource(text: string): TextSource | undefined {
  if (!text.startsWith(hubScheme)) return { path: text };
  const [, hub, escaped = DEFAULT_REVISION, files] = hubForm.exec(text) ?? [];
  if (hub === undefined || files === undefined || !isRepositoryId(hub)) return undefined;
  try {
    const revision = decodeURIComponent(escaped);
    return isRevision(revision) ? { hub, files, revision } : undefined;
  } catch {
    return undefined;
  }
}

/** The source in one piece of text, as {@link parseTextSource} reads it; the field is not in it. */
export function textSourceName(source: TextSource): string {
  return 'path' in source ? source.path : hubFileName(source.hub, source.revision, source.files);
}

/** A file of a dataset, or a pattern of them, as `hf://…`. */
export function hubFileName(hub: string, revision: string, file: string): string {
  const at = revision === DEFAULT_REVISION ? '' : `@${revisionInAddress(revision)}`;
  return `${hubScheme}datasets/${hub}${at}/${file}`;
}

function revisionInAddress(revision: string): string {
  const [special] = specialRevision.exec(revision) ?? [];
  return special === revision ? revision : encodeURIComponent(revision);
}
