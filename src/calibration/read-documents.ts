/**
 * Documents out of text files.
 * @module
 */
import { extname } from 'node:path';
import { RequestError } from '../errors.js';
import { decompressText } from './decompress-text.js';
import { gunzip } from './gunzip.js';
import { readJsonLines } from './read-json-lines.js';
import { readPlainText } from './read-plain-text.js';
import type { TextDocument } from './text-document.js';
import type { TextFile } from './text-file.js';

type Chunks = AsyncIterable<Uint8Array>;

/** By the ending behind that of what was compressed. */
const decompressors: Readonly<Record<string, (chunks: Chunks, name: string) => Chunks>> = {
  '.gz': gunzip,
  async *'.zst'(chunks, name) {
    const { unzstd } = await import('./zstd/unzstd.js');
    yield* unzstd(chunks, name);
  },
};

/** How a file of this name is read, in lower case: `.jsonl` and, where it is compressed, `.gz`, or else nothing. */
export function textEnding(name: string): { readonly format: string; readonly compression: string } {
  const ending = extname(name).toLowerCase();
  if (!decompressors[ending]) return { format: ending, compression: '' };
  return { format: extname(name.slice(0, -ending.length)).toLowerCase(), compression: ending };
}

/**
 * Whether a file of this name can be read, by its name alone.
 * @throws RequestError for an ending that isn't a text file's, and for a field of a `.txt`
 */
export function requireTextFormat(name: string, field: string | undefined): void {
  const { format, compression } = textEnding(name);
  const ending = `${format}${compression}`;
  if (ending !== '.parquet' && !['.txt', '.jsonl', '.json'].includes(format)) {
    throw new RequestError(
      `${name}: a text file is a .txt, a .jsonl, one of them as .gz or .zst, or a .parquet, found ${ending || 'no ending'}`,
    );
  }
  if (format === '.txt' && field !== undefined)
    throw new RequestError(`${name}: a .txt has no field ${field}; leave field out`);
}

/**
 * The documents of a file, in its order; its ending says how they are stored. A `.txt` is one, a `.jsonl` or `.json` has
 * one a line, a JSON object, a `.parquet` one a row; all but the last also compressed, as `.txt.gz`, `.json.zst` and
 * so on. Reads as far as it is asked.
 * @param field that holds the text or the messages; `text` or `messages` when left out
 * @throws RequestError with file and line or row for what can't be read or understood
 */
export async function* readDocuments(file: TextFile, field?: string): AsyncGenerator<TextDocument> {
  const { name } = file;
  requireTextFormat(name, field);
  const { format, compression } = textEnding(name);
  if (format === '.parquet') {
    const { readParquet } = await import('./parquet/read-parquet.js');
    yield* readParquet(file, field);
    return;
  }
  const decompress = decompressors[compression];
  const chunks = () =>
    decompress ? decompressText(file.chunks(), (stored) => decompress(stored, name)) : file.chunks();
  yield* format === '.txt' ? readPlainText(name, chunks()) : readJsonLines(name, chunks(), field);
}
