/**
 * The footer of a Parquet file: its columns and where their data lie.
 * @see https://parquet.apache.org/docs/file-format/metadata/
 * @module
 */
import type { FileMetaData, SchemaTree } from 'hyparquet';
import { parquetMetadata, parquetSchema } from 'hyparquet/src/metadata.js';
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import { withinCpuTime } from '../cpu-time-limit.js';
import type { RangeReader } from '../text-file.js';
import { thriftExtent } from './thrift-extent.js';

/** Largest footer that is read; two gigabytes of web text in groups of a thousand rows have some five megabytes. */
const maximumFooterBytes = 32_000_000;

/** A column of a row group has some thirty values; a million of them take some hundred megabytes. */
const footerLimits = { maxDepth: 16, maxValues: 1_000_000 };

/** Columns and the groups they are in; wide tables have a thousand. */
const maximumSchemaElements = 10_000;

/** The footer's length and the magic letters after it. */
const tailBytes = 8;

/** Bytes that are read at once in the hope that the footer is among them. */
const firstReadBytes = 2 ** 16;

/** Milliseconds of computing for a footer, and bytes that it gets another one for; a tenth of the usual speed. */
const milliseconds = 500;
const bytesPerMillisecond = 2_000;

export interface ParquetMetadata {
  readonly rowGroups: FileMetaData['row_groups'];
  /** The root; its children are the columns. */
  readonly schema: SchemaTree;
  /** Where the footer begins, and the data must have ended. */
  readonly dataEnd: number;
}

/**
 * Reads and checks the footer.
 * @param name of the file, for messages
 * @throws RequestError when this is no Parquet file, it is damaged or encrypted, or its footer goes beyond a limit
 */
export async function readParquetMetadata(file: RangeReader, name: string): Promise<ParquetMetadata> {
  const { size } = file;
  const start = Math.max(0, size - firstReadBytes);
  const end = Buffer.from((await file.read(start, size - start)).buffer);
  const magic = end.toString('latin1', end.length - 4);
  if (magic === 'PARE') throw new RequestError(`${name}: the file is encrypted, which can't be read`);
  if (end.length < tailBytes || magic !== 'PAR1')
    throw new RequestError(`${name}: not a Parquet file, or cut off: it does not end in PAR1`);
  const length = end.readUInt32LE(end.length - tailBytes);
  const dataEnd = size - tailBytes - length;
  if (length > maximumFooterBytes)
    throw new RequestError(`${name}: a footer of ${length} bytes; ${maximumFooterBytes} at most are read`);
  if (dataEnd < 0) throw new RequestError(`${name}: damaged: a footer of ${length} bytes in ${size}`);
  const footer =
    dataEnd < start ? await file.read(dataEnd, length + tailBytes) : end.subarray(dataEnd - start);
  const extent = thriftExtent(footer.subarray(0, length), footerLimits);
  if ('reason' in extent) throw new RequestError(`${name}: the footer is damaged: ${extent.reason}`);
  try {
    const limit = milliseconds + length / bytesPerMillisecond;
    const metadata = withinCpuTime(limit, () =>
      // Bounds of columns, which are not looked at, may hold whole texts.
      parquetMetadata(footer, { geoparquet: false, parsers: { stringFromBytes: () => undefined } }),
    );
    if (metadata.schema.length > maximumSchemaElements)
      throw new Error(`more than ${maximumSchemaElements} columns`);
    if (metadata.schema.some(({ name: own }) => typeof own !== 'string'))
      throw new Error('a column without a name');
    const schema = withinCpuTime(limit, () => parquetSchema(metadata));
    return { rowGroups: metadata.row_groups, schema, dataEnd };
  } catch (cause) {
    throw new RequestError(`${name}: the footer is damaged: ${shortened((cause as Error).message)}`, {
      cause,
    });
  }
}
