/**
 * Documents out of Parquet files.
 * @see https://parquet.apache.org/docs/file-format/
 * @module
 */
import type { ColumnMetaData, RowGroup } from 'hyparquet';
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import type { ChatMessage } from '../chat-message.js';
import { maximumDocumentBytes, nullNote, parseMessages, type TextDocument } from '../text-document.js';
import type { RangeReader, TextFile } from '../text-file.js';
import { ByteWindow } from './byte-window.js';
import { columnRows } from './column-rows.js';
import { readableCodecs } from './decompress-page.js';
import { type DocumentColumn, documentColumn, type LeafColumn } from './document-column.js';
import { type ParquetMetadata, readParquetMetadata } from './parquet-metadata.js';

/** The magic letters before the first column. */
const headBytes = 4;

/** An undamaged whole number of the footer; undefined for anything else. */
function size(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** Where a column's data are in a group, held against the file. */
function locate(
  group: RowGroup,
  column: LeafColumn,
  dataEnd: number,
  where: string,
): { start: number; end: number; metadata: ColumnMetaData } {
  const path = column.path.join('.');
  const chunk = group.columns.find(({ meta_data: metadata }) => {
    const own: unknown = metadata?.path_in_schema;
    return Array.isArray(own) && own.join('.') === path;
  });
  const metadata = chunk?.meta_data;
  if (metadata === undefined || chunk?.file_path)
    throw new RequestError(`${where}: the column ${shortened(path)} is not in it`);
  if (!readableCodecs.includes(metadata.codec))
    throw new RequestError(
      `${where}: compressed with ${metadata.codec}, which is not read; write the file with ${readableCodecs.join(', ')}`,
    );
  const data = size(metadata.data_page_offset);
  const dictionary = size(metadata.dictionary_page_offset) || data;
  const bytes = size(metadata.total_compressed_size);
  if (data === undefined || dictionary === undefined || bytes === undefined)
    throw new RequestError(`${where}: the footer is damaged: it does not say where the column is`);
  const start = Math.min(data, dictionary);
  if (start < headBytes || start + bytes > dataEnd)
    throw new RequestError(
      `${where}: the footer is damaged: it has the column from byte ${start} to ${start + bytes}, and data end at ${dataEnd}`,
    );
  return { start, end: start + bytes, metadata };
}

/** The text of a cell that is not null. */
function decode(cell: unknown, where: string): string {
  if (!(cell instanceof Uint8Array)) throw new RequestError(`${where}: damaged: a value that is not there`);
  if (cell.length > maximumDocumentBytes)
    throw new RequestError(`${where}: longer than ${maximumDocumentBytes} bytes; give shorter documents`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(cell);
  } catch {
    throw new RequestError(`${where}: not valid UTF-8`);
  }
}

/** What is in the list of a value that may be null: nothing or the value. */
function unwrap(value: unknown, optional: boolean): unknown {
  return optional ? ((value as readonly unknown[])[0] ?? null) : value;
}

/** The messages of a row, from the lists of its roles and contents; null where there is no list. */
function zipMessages(
  roles: unknown,
  contents: unknown,
  column: Extract<DocumentColumn, { roles: unknown }>,
  where: string,
): ChatMessage[] | null {
  const { optional, field } = column;
  const lists = [roles, contents].map((each) => unwrap(each, optional.list));
  if (lists.every((list) => list === null)) return null;
  const [first, second] = lists;
  if (!Array.isArray(first) || !Array.isArray(second) || first.length !== second.length)
    throw new RequestError(`${where}: damaged: ${field} has roles and contents of different lengths`);
  const text = (value: unknown, index: number) => {
    const cell = unwrap(value, optional.message);
    return cell === null ? null : decode(cell, `${where}: ${field}[${index}]`);
  };
  const messages = first.map((role, i) => ({ role: text(role, i), content: text(second[i], i) }));
  return parseMessages(messages, field, where);
}

/** The rows of a group. */
async function* groupDocuments(
  file: RangeReader,
  metadata: ParquetMetadata,
  group: RowGroup,
  column: DocumentColumn,
  place: (row: number) => string,
  groupPlace: string,
): AsyncGenerator<TextDocument | null> {
  const rowsOf = (leaf: LeafColumn) => {
    const found = locate(group, leaf, metadata.dataEnd, groupPlace);
    return columnRows(new ByteWindow(file, found.start, found.end), leaf, found.metadata, place);
  };
  const count = size(group.num_rows);
  if (count === undefined) throw new RequestError(`${groupPlace}: the footer is damaged: no number of rows`);
  const columns = ('text' in column ? [column.text] : [column.roles, column.contents]).map(rowsOf);
  let row = 0;
  try {
    for (; ; row++) {
      const cells = await Promise.all(columns.map((each) => each.next()));
      const done = cells.filter((cell) => cell.done).length;
      if (done === columns.length) break;
      const where = place(row);
      if (done > 0 || row >= count)
        throw new RequestError(`${where}: damaged: the columns have different numbers of rows`);
      const [first, second] = cells.map(({ value }) => value as unknown);
      if ('text' in column) {
        yield first === null ? null : { where, text: decode(first, where) };
      } else {
        const messages = zipMessages(first, second, column, where);
        yield messages && { where, messages };
      }
    }
  } finally {
    for (const each of columns) await each.return(undefined);
  }
  if (row < count) throw new RequestError(`${groupPlace}: damaged: it ends after ${row} of ${count} rows`);
}

/**
 * A document a row, from the column of texts or of conversations (a list of `{role, content}`); rows where it is null are
 * passed over. Of the file only that column is read, a page at a time.
 * @param field as of `documentField`
 * @throws RequestError with file, row and row group, both counted from 1, for what can't be read
 */
export async function* readParquet(file: TextFile, field: string | undefined): AsyncGenerator<TextDocument> {
  const { name } = file;
  const ranges = await file.openRanges();
  try {
    const metadata = await readParquetMetadata(ranges, name);
    const column = documentColumn(metadata.schema, field, name);
    let before = 0;
    let nulls: { note?: string } | undefined;
    for (const [index, group] of metadata.rowGroups.entries()) {
      const first = before;
      const place = (row: number) => `${name}, row ${first + row + 1} (row group ${index + 1})`;
      const rows = groupDocuments(ranges, metadata, group, column, place, `${name}, row group ${index + 1}`);
      for await (const document of rows) {
        before++;
        if (document === null) {
          nulls ??= { note: nullNote(name, column.field) };
          continue;
        }
        yield { ...document, ...nulls };
        if (nulls) nulls = {};
      }
    }
  } finally {
    await ranges.close();
  }
}
