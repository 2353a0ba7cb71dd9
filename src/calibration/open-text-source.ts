/**
 * The files of a text source, and the documents in them.
 * @module
 */
import { hubFileName, type TextSource, textSourceName } from '../config/text-source.js';
import { RequestError } from '../errors.js';
import { type Hub, hubFromEnvironment } from '../hub/hub.js';
import { findHubFiles } from './hub-text-files.js';
import { localTextFile, requireRegular } from './local-text-file.js';
import { readDocuments, requireTextFormat } from './read-documents.js';
import type { TextDocument } from './text-document.js';
import type { TextFile } from './text-file.js';

export interface OpenTextSource {
  /** In one piece of text, for messages and reports. */
  readonly name: string;
  /** In the order in which they are read. */
  readonly files: readonly TextFile[];
  /** Of {@link sourceDocuments}. */
  readonly field?: string;
}

export interface OpenTextSourceOptions {
  /** The one that the environment names, when left out. */
  readonly hub?: Hub | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Commits to read in the place of revisions, by the `textSourceName` of a source. */
  readonly commits?: TextCommits | undefined;
}

/** Commits of datasets by what `textSourceName` calls a source. */
export type TextCommits = Readonly<Record<string, string>>;

/**
 * Finds the files of a source; those on the hub are not read yet.
 * @throws RequestError when the source has no such files; RunError when the hub fails; the signal's reason
 */
export async function openTextSource(
  source: TextSource,
  { hub, signal, commits = {} }: OpenTextSourceOptions = {},
): Promise<OpenTextSource> {
  const field = source.field === undefined ? {} : { field: source.field };
  if ('path' in source) return { name: source.path, files: [localTextFile(source.path)], ...field };
  const pinned = { ...source, revision: commits[textSourceName(source)] ?? source.revision };
  const { commit, files } = await findHubFiles(hub ?? hubFromEnvironment(), pinned, signal);
  return { name: hubFileName(source.hub, commit, source.files), files, ...field };
}

/**
 * Looks whether a source's file is there and can be read by its name, if it is one on the disk; the hub is not asked.
 * @throws RequestError when there is no such file, or it is none of text
 */
export async function requireTextFile(source: TextSource): Promise<void> {
  if (!('path' in source)) return;
  await requireRegular(source.path);
  requireTextFormat(source.path, source.field);
}

/**
 * The source at the commit that its revision is now, so that who reads it twice reads the same.
 * @throws as {@link openTextSource}
 */
export async function pinTextSource<Source extends TextSource>(
  source: Source,
  { hub, signal }: OpenTextSourceOptions = {},
): Promise<Source> {
  if ('path' in source) return source;
  const { commit } = await findHubFiles(hub ?? hubFromEnvironment(), source, signal);
  return { ...source, revision: commit };
}

/**
 * The documents of all files, one file after the other; reads as far as it is asked.
 * @param onFile told the name of each file that is begun
 * @throws RequestError as `readDocuments`, and when there is no document at all
 */
export async function* sourceDocuments(
  { name, files, field }: OpenTextSource,
  onFile: (name: string) => void = () => {},
): AsyncGenerator<TextDocument> {
  let any = false;
  for (const file of files) {
    onFile(file.name);
    for await (const document of readDocuments(file, field)) {
      any = true;
      yield document;
    }
  }
  if (!any) throw new RequestError(`${name}: the file has no text in it`);
}
