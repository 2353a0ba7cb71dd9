/**
 * The rows of a column, page by page.
 * @see https://parquet.apache.org/docs/file-format/data-pages/
 * @module
 */
import type { ColumnMetaData, DecodedArray, PageHeader } from 'hyparquet';
import { parquetHeader, readPage } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js';
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import { withinCpuTime } from '../cpu-time-limit.js';
import type { ByteWindow } from './byte-window.js';
import { requireConversationSize } from './conversation-size.js';
import { decompressPage } from './decompress-page.js';
import type { LeafColumn } from './document-column.js';
import { requireRuns } from './require-runs.js';
import { requireSize } from './require-size.js';
import { thriftExtent } from './thrift-extent.js';

/**
 * Largest page, compressed or not. Writers close one after a megabyte, but Arrow looks only after every 1,024 rows, and so
 * books make pages of some hundred.
 */
const maximumPageBytes = 2 ** 27;

/** Values of a page at most; an array of them takes some hundred bytes a value. Arrow's row groups have as many rows. */
const maximumPageValues = 2 ** 20;

/** A page's head has some fifty bytes, and where the writer put them there the least and the greatest text of the page. */
const firstHeaderBytes = 2 ** 12;
const maximumHeaderBytes = 2 ** 22;
const headerLimits = { maxDepth: 8, maxValues: 1000 };

/** Encodings of texts that are read; of others a page could become any number of times as large. */
const readableEncodings: readonly string[] = [
  'PLAIN',
  'PLAIN_DICTIONARY',
  'RLE_DICTIONARY',
  'DELTA_LENGTH_BYTE_ARRAY',
];

/** Milliseconds of computing for a page, and bytes and values that it gets another one for; the slowest, zstd, takes a fifth. */
const milliseconds = 500;
const bytesPerMillisecond = 4_000;
const valuesPerMillisecond = 1_000;

type Bytes = Uint8Array<ArrayBuffer>;

/** A page as the library is to see it: not compressed. */
interface Page {
  readonly header: PageHeader;
  readonly bytes: Bytes;
}

/** What a header says of its page's values. */
function valuesOf({
  type,
  data_page_header: v1,
  data_page_header_v2: v2,
  dictionary_page_header: own,
}: PageHeader) {
  const values =
    type === 'DATA_PAGE' ? v1 : type === 'DATA_PAGE_V2' ? v2 : type === 'DICTIONARY_PAGE' ? own : undefined;
  if (values === undefined) throw new Error(`a page of the kind ${type}`);
  return values;
}

/** Takes a header that is whole, and checks all that it says but of its levels. */
function parseHeader(bytes: Bytes, left: number): PageHeader {
  const header = parquetHeader({
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: 0,
  });
  const values = valuesOf(header);
  requireSize(values.num_values, maximumPageValues, 'the number of values of a page');
  if (!readableEncodings.includes(values.encoding))
    throw new Error(
      `the encoding ${values.encoding}, which is not read; write the file with ${readableEncodings.join(', ')}`,
    );
  requireSize(header.compressed_page_size, Math.min(maximumPageBytes, left), 'the size of a page');
  requireSize(header.uncompressed_page_size, maximumPageBytes, 'the uncompressed size of a page');
  return header;
}

/** The next header, as long as it turns out to be. */
async function readHeader(window: ByteWindow): Promise<Bytes | { readonly reason: string }> {
  for (let wanted = firstHeaderBytes; ; wanted *= 2) {
    const bytes = await window.peek(wanted);
    const extent = thriftExtent(bytes, headerLimits);
    if (!('reason' in extent)) return bytes.subarray(0, extent.bytes);
    const mayGrow = bytes.length < window.left && wanted < maximumHeaderBytes;
    if (!(extent.incomplete && mayGrow)) return extent;
  }
}

/** Bytes of the levels of a second-version page, which lie before its values and are never compressed. */
function levelBytes({
  data_page_header_v2: v2,
  compressed_page_size: compressed,
  uncompressed_page_size: whole,
}: PageHeader) {
  if (v2 === undefined) return 0;
  requireSize(v2.num_nulls, v2.num_values, 'the number of nulls of a page');
  const limit = Math.min(compressed, whole);
  const repetition = requireSize(v2.repetition_levels_byte_length, limit, 'the size of the levels of a page');
  const definition = requireSize(
    v2.definition_levels_byte_length,
    limit - repetition,
    'the size of the levels of a page',
  );
  return repetition + definition;
}

function decompressed(header: PageHeader, stored: Bytes, { codec }: ColumnMetaData): Page {
  const levels = levelBytes(header);
  const { uncompressed_page_size: size, data_page_header_v2: v2 } = header;
  const own = v2?.is_compressed === false ? 'UNCOMPRESSED' : codec;
  const values = decompressPage(stored.subarray(levels), own, size - levels);
  const bytes = levels === 0 ? values : new Uint8Array(size);
  if (levels > 0) {
    bytes.set(stored.subarray(0, levels));
    bytes.set(values, levels);
  }
  return {
    header: {
      ...header,
      compressed_page_size: size,
      ...(v2 && { data_page_header_v2: { ...v2, is_compressed: false } }),
    },
    bytes,
  };
}

const bitsOf = (level: number) => 32 - Math.clz32(level);

/** Checks every run in a page that the library is going to write out. */
function requirePageRuns({ header, bytes }: Page, { nodes }: LeafColumn): void {
  const { data_page_header: v1, data_page_header_v2: v2, type } = header;
  const values = type === 'DATA_PAGE' ? v1 : v2;
  if (type === 'DICTIONARY_PAGE' || values === undefined) return;
  const count = values.num_values;
  const lengths = [v2?.repetition_levels_byte_length, v2?.definition_levels_byte_length];
  let at = 0;
  for (const [i, level] of [getMaxRepetitionLevel(nodes), getMaxDefinitionLevel(nodes)].entries()) {
    let length = lengths[i] ?? 0;
    if (v2 === undefined && level > 0) {
      length = requireSize(
        new DataView(bytes.buffer).getUint32(at, true),
        bytes.length,
        'the size of the levels of a page',
      );
      at += 4;
    }
    if (level > 0) requireRuns(bytes, at, bitsOf(level), count);
    at += length;
  }
  if (values.encoding.endsWith('_DICTIONARY') && at < bytes.length)
    requireRuns(bytes, at + 1, bytes[at] as number, count);
}

/** Lists in lists, anew: a page that is begun twice must not go on with the same ones. */
function copyLists(value: unknown): unknown {
  return Array.isArray(value) ? value.map(copyLists) : value;
}

/** Lists in lists with their values in memory of their own, so that they don't keep the page. */
function detached(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(detached);
  if (!(value instanceof Uint8Array) || value.byteLength === value.buffer.byteLength) return value;
  return value.slice();
}

/**
 * The rows of one column of a row group: bytes, undefined for what is damaged, null for nulls; where the column is in a list,
 * lists within lists as its levels have them. Has one page in memory, and a dictionary.
 * @param place says where a row is, counted from 0 in its group, for messages
 * @throws RequestError for damaged pages, and those that go beyond a limit
 */
export async function* columnRows(
  window: ByteWindow,
  column: LeafColumn,
  metadata: ColumnMetaData,
  place: (row: number) => string,
): AsyncGenerator<unknown> {
  const element = column.nodes.at(-1)?.element;
  if (element === undefined) throw new TypeError('a column without a node');
  const decoder = {
    pathInSchema: [...column.path],
    // Texts stay bytes, so that they are decoded one by one and strictly.
    element: { name: element.name, type: 'BYTE_ARRAY' as const },
    type: 'BYTE_ARRAY' as const,
    schemaPath: column.nodes,
    codec: 'UNCOMPRESSED' as const,
    parsers: DEFAULT_PARSERS,
    utf8: false,
  };
  const repeated = getMaxRepetitionLevel(column.nodes) > 0;
  let dictionary: DecodedArray | undefined;
  /** Of a list, the last row so far: the next page may go on with it. */
  let open: unknown[] = [];
  let row = 0;

  const decode = (header: PageHeader, stored: Bytes): DecodedArray => {
    const page = decompressed(header, stored, metadata);
    requirePageRuns(page, column);
    const reader = { view: new DataView(page.bytes.buffer), offset: 0 };
    const previous = copyLists(open) as unknown[];
    return readPage(reader, page.header, decoder, dictionary, repeated ? previous : undefined, 0).data ?? [];
  };

  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new RequestError(`${place(row)}: damaged: ${shortened((cause as Error).message)}`, { cause });
    }
  };

  while (window.left > 0) {
    const head = await readHeader(window);
    const header = guarded(() => {
      if ('reason' in head) throw new Error(`the head of a page: ${head.reason}`);
      window.pass(head.length);
      return parseHeader(head, window.left);
    });
    const size = header.compressed_page_size;
    const stored = new Uint8Array((await window.peek(size)).subarray(0, size));
    window.pass(size);
    const limit =
      milliseconds +
      header.uncompressed_page_size / bytesPerMillisecond +
      valuesOf(header).num_values / valuesPerMillisecond;
    const data = guarded(() => withinCpuTime(limit, () => decode(header, stored)));
    if (header.type === 'DICTIONARY_PAGE') {
      dictionary = data;
      continue;
    }
    if (data.length === 0) continue;
    const whole = repeated ? data.length - 1 : data.length;
    for (let i = 0; i < whole; i++, row++) yield data[i];
    if (!repeated) continue;
    requireConversationSize([data[whole]], place(row));
    open = [detached(data[whole])];
  }
  yield* open;
}
