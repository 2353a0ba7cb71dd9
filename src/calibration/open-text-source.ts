/**
 * The files of a text source, and the documents in them.
 * @module
 */
import { type TextSource, textSourceName } from '../config/text-source.js';
import { RequestError } from '../errors.js';
import { localTextFile } from './local-text-file.js';
import { readDocuments } from './read-documents.js';
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

/** @throws RequestError when the source has no such files */
export async function openTextSource(source: TextSource): Promise<OpenTextSource> {
  const field = source.field === undefined ? {} : { field: source.field };
  if ('path' in source) return { name: source.path, files: [localTextFile(source.path)], ...field };
  throw new RequestError(`${textSourceName(source)}: not read yet`);
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
