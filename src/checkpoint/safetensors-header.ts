/**
 * The header of a safetensors file: a little-endian u64 length, that many bytes of JSON, then the tensors' data.
 *
 * Accepts what the format's reference reader (huggingface/safetensors, Rust) accepts, except for things that no
 * writer produces: a key that comes twice in one object, white space before the first `{`, a tensor described by an
 * array instead of an object, a dtype wrapped in an object, integers over 2⁵³−1, and headers beyond the two limits
 * below. `scripts/fuzz-safetensors/` compares the two readers and knows this list.
 * @module
 */
import { RequestError } from '../errors.js';
import { openByteSource } from './byte-source.js';
import { type Dtype, isDtype, tensorBytes } from './dtype.js';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson, shortened } from './strict-json.js';

/**
 * A tensor takes some 130 bytes, so this is 250,000 of them in one file, where the largest published checkpoints have
 * as many in a hundred files. The reference reader stops at 100 MB; such a header would take more memory than
 * everything else that is done before the weights.
 */
export const MAX_HEADER_BYTES = 32_000_000;

/** A dozen for each tensor, so 80,000 of them in one file. In memory they take several times their bytes. */
export const MAX_HEADER_VALUES = 1_000_000;

/** Bytes of the header's length before the header. */
export const HEADER_LENGTH_BYTES = 8;

/** The key that holds free text about the file instead of a tensor. */
export const METADATA_KEY = '__metadata__';

const OPENING_BRACE = 0x7b;

/** Arrays and objects open at once in a header; the reference reader refuses the 128th. */
const MAX_HEADER_DEPTH = 127;

/** One tensor of a file: row-major, little-endian. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  /** `[]` is a single element. */
  readonly shape: readonly number[];
  /** Absolute position of its first byte in the file. Not necessarily a multiple of the element's size. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** In the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string> | undefined;
  /** Absolute position of the first byte after the header. */
  readonly dataStart: number;
}

/** What `readSafetensorsHeader` returns: the parsed header, the file's size, and the bytes it was parsed from. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly size: number;
  /** Length and JSON, padding included: the file's first `dataStart` bytes. */
  readonly headerBytes: Uint8Array;
}

/**
 * Parses and checks a header: offsets contiguous, in order and from 0 to the end of the file; shape × dtype equal to
 * the bytes given, without overflow and in whole bytes; known dtypes; metadata from string to string.
 * @param bytes the beginning of the file: the 8 bytes of length and at least the whole header
 * @param fileSize bytes of the whole file
 * @param path only for messages
 * @throws RequestError naming the file, the tensor where there is one, and what is wrong
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileSize: number, path: string): SafetensorsHeader {
  const dataStart = HEADER_LENGTH_BYTES + headerLength(bytes, fileSize, path);
  if (bytes.byteLength < dataStart) throw malformed(path, 'the header is cut short');
  const root = parseHeaderJson(bytes.subarray(HEADER_LENGTH_BYTES, dataStart), path);

  const tensors: TensorInfo[] = [];
  let metadata: Map<string, string> | undefined;
  for (const [name, value] of root) {
    if (name === METADATA_KEY) metadata = parseMetadata(value, path);
    else tensors.push(parseTensor(name, value, dataStart, path));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);

  let position = dataStart;
  for (const { name, offset, bytes } of tensors) {
    if (offset !== position)
      throw malformed(
        path,
        `${at(name)} begins at byte ${offset - dataStart} of the data, but the tensors before it end at byte ${position - dataStart}`,
      );
    position += bytes;
  }
  if (position > fileSize)
    throw malformed(path, `the file has ${fileSize} bytes but its tensors need ${position}: it is cut short`);
  if (position < fileSize) throw malformed(path, `${fileSize - position} bytes follow the last tensor`);
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata, dataStart };
}

/**
 * Reads and parses the header of a file, and nothing of its data.
 * @throws RequestError when the file is missing, not readable or malformed; RunError on I/O errors
 */
export function readSafetensorsHeader(path: string): SafetensorsFile {
  const source = openByteSource(path);
  try {
    const prefix = new Uint8Array(Math.min(HEADER_LENGTH_BYTES, source.size));
    source.readInto(0, prefix);
    const headerBytes = new Uint8Array(HEADER_LENGTH_BYTES + headerLength(prefix, source.size, path));
    source.readInto(0, headerBytes);
    return { ...parseSafetensorsHeader(headerBytes, source.size, path), size: source.size, headerBytes };
  } finally {
    source.close();
  }
}

/** Bytes of the JSON, from the file's first 8 bytes; checked against the limit and the file before any use. */
function headerLength(bytes: Uint8Array, fileSize: number, path: string): number {
  if (bytes.byteLength < HEADER_LENGTH_BYTES || fileSize < HEADER_LENGTH_BYTES)
    throw malformed(
      path,
      `it has ${Math.min(fileSize, bytes.byteLength)} bytes, fewer than the 8 of the header's length`,
    );
  const length = new DataView(bytes.buffer, bytes.byteOffset, HEADER_LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw malformed(path, `its header claims ${length} bytes; the limit is ${MAX_HEADER_BYTES}`);
  if (Number(length) > fileSize - HEADER_LENGTH_BYTES)
    throw malformed(
      path,
      `its header claims ${length} bytes but only ${fileSize - HEADER_LENGTH_BYTES} follow`,
    );
  return Number(length);
}

function parseHeaderJson(bytes: Uint8Array, path: string): JsonObject {
  if (bytes[0] !== OPENING_BRACE) throw malformed(path, 'its header does not begin with "{"');
  try {
    return parseStrictJson(bytes, { maxDepth: MAX_HEADER_DEPTH, maxValues: MAX_HEADER_VALUES }) as JsonObject;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.malformed) throw malformed(path, `its header is not valid JSON: ${error.message}`);
    throw new RequestError(`${path}: its header is over the limit: ${error.message}`);
  }
}

function parseMetadata(value: JsonValue, path: string): Map<string, string> | undefined {
  if (value === null) return undefined;
  if (!(value instanceof Map)) throw malformed(path, `"${METADATA_KEY}" is not an object`);
  const metadata = new Map<string, string>();
  for (const [key, text] of value as JsonObject) {
    if (typeof text !== 'string')
      throw malformed(path, `"${METADATA_KEY}" has a value for ${quoted(key)} that is not a string`);
    metadata.set(key, text);
  }
  return metadata;
}

function parseTensor(name: string, value: JsonValue, dataStart: number, path: string): TensorInfo {
  if (!(value instanceof Map)) throw malformed(path, `${at(name)} is not described by an object`);
  // Fields other than these three are ignored, as the reference reader does.
  const fields = value as JsonObject;
  const dtype = fields.get('dtype');
  if (typeof dtype !== 'string') throw malformed(path, `${at(name)} has no "dtype" string`);
  if (!isDtype(dtype)) throw malformed(path, `${at(name)} has the unknown dtype ${quoted(dtype)}`);
  const shape = parseIntegers(fields.get('shape'));
  if (shape === undefined)
    throw malformed(path, `${at(name)} has no "shape" array of non-negative integers (up to 2^53 - 1)`);
  const offsets = parseIntegers(fields.get('data_offsets'));
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined || offsets?.length !== 2)
    throw malformed(path, `${at(name)} has no "data_offsets" pair of non-negative integers (up to 2^53 - 1)`);
  if (end < begin) throw malformed(path, `${at(name)} ends at byte ${end} before it begins at byte ${begin}`);

  const size = tensorBytes(dtype, shape);
  const described = `${at(name)} of dtype ${dtype} and shape [${shortened(shape.join(', '))}]`;
  if ('error' in size) {
    const reason =
      size.error === 'overflow' ? 'has more bytes than can be counted' : 'does not fill whole bytes';
    throw malformed(path, `${described} ${reason}`);
  }
  if (size.bytes !== end - begin)
    throw malformed(path, `${described} needs ${size.bytes} bytes but its offsets give ${end - begin}`);
  return { name, dtype, shape, offset: dataStart + begin, bytes: size.bytes };
}

/** An array of integers spelt as such (`1.0`, `1e3` and `-0` are not), or `undefined`. */
function parseIntegers(value: JsonValue | undefined): readonly number[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined;
}

function at(name: string): string {
  return `tensor ${quoted(name)}`;
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}

function malformed(path: string, reason: string): RequestError {
  return new RequestError(`${path} is not a valid safetensors file: ${reason}`);
}
