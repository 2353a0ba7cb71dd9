/**
 * Documents out of Parquet files.
 * @see https://parquet.apache.org/docs/file-format/
 * @module
 */
import type { ColumnMetaData, RowGroup } from 'hyparquet';
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import type { ChatMessage } from '../chat-message.js';
import { maximumDocumentBytes, parseMessages, type TextDocument, withoutNulls } from '../text-document.js';
import type { RangeReader, TextFile } from '../text-file.js';
import { ByteWindow } from './byte-window.js';
import { columnRows } from './column-rows.js';
import { requireConversationSize } from './conversation-size.js';
import { readableCodecs } from './decompress-page.js';
import { type DocumentColumn, documentColumn, type LeafColumn } from './document-column.js';
import { type ParquetMetadata, readParquetMetadata } from './parquet-metadata.js';
import { requireSize } from './require-size.js';

/** The magic letters before the first column. */
const headBytes = 4;

/** @throws RequestError for whatever is wrong with the footer */
function guarded<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new RequestError(`${where}: the footer is damaged: ${(cause as Error).message}`, { cause });
  }
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
  return guarded(where, () => {
    const data = requireSize(metadata.data_page_offset, dataEnd, 'the beginning of its pages');
    const dictionary =
      requireSize(metadata.dictionary_page_offset ?? data, dataEnd, 'the beginning of its dictionary') ||
      data;
    const start = Math.min(data, dictionary);
    if (start < headBytes) throw new Error(`it has the column at byte ${start}`);
    const bytes = requireSize(metadata.total_compressed_size, dataEnd - start, 'the size of the column');
    return { start, end: start + bytes, metadata };
  });
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

/** What is in the list that stands for a value that may be null: nothing or the value. */
function unwrap(value: unknown, optional: boolean): unknown {
  return optional && Array.isArray(value) ? (value[0] ?? null) : value;
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
  requireConversationSize([first, second], where);
  const text = (value: unknown, index: number) => {
    const cell = unwrap(value, optional.message);
    return cell === null ? null : decode(cell, `${where}: ${field}[${index}]`);
  };
  const messages = first.map((role, i) => ({ role: text(role, i), content: text(second[i], i) }));
  return parseMessages(messages, field, where);
}

/** A document or null for every row of a group. */
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
  const count = guarded(groupPlace, () =>
    requireSize(group.num_rows, Number.MAX_SAFE_INTEGER, 'its number of rows'),
  );
  const columns = ('text' in column ? [column.text] : [column.roles, column.contents]).map(rowsOf);
  let row = 0;
  try {
    for (; ; row++) {
      const cells: IteratorResult<unknown>[] = [];
      for (const each of columns) cells.push(await each.next());
      const done = cells.filter((cell) => cell.done).length;
      if (done === columns.length) break;
      const where = place(row);
      if (done > 0 || row >= count)
        throw new RequestError(`${where}: damaged: the columns have different numbers of rows`);
      const [first, second] = cells.map(({ value }): unknown => value);
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

/** A document or null for every row. */
async function* rowDocuments(
  file: RangeReader,
  metadata: ParquetMetadata,
  column: DocumentColumn,
  name: string,
): AsyncGenerator<TextDocument | null> {
  let before = 0;
  for (const [index, group] of metadata.rowGroups.entries()) {
    const first = before;
    const inGroup = `row group ${index + 1}`;
    const place = (row: number) => `${name}, row ${first + row + 1} (${inGroup})`;
    for await (const document of groupDocuments(
      file,
      metadata,
      group,
      column,
      place,
      `${name}, ${inGroup}`,
    )) {
      before++;
      yield document;
    }
  }
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
    yield* withoutNulls(rowDocuments(ranges, metadata, column, name), field, name);
  } finally {
    await ranges.close();
  }
}
