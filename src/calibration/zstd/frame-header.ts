/**
 * Headers of Zstandard frames and of the blocks in them.
 * @see https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1
 * @module
 */

const magic = 0xfd2fb528;
/** The first of sixteen; behind it come the bytes of the frame. */
const skippableMagic = 0x184d2a50;
/** Bytes of the field that says which dictionary is used. */
const dictionaryBytes = [0, 1, 2, 4] as const;
/** The largest block of any frame, decompressed. */
const largestBlock = 2 ** 17;
export const blockHeaderBytes = 3;

/** Place of the flags, and the one for a checksum behind the last block. */
export const flagsPosition = 4;
export const checksumFlag = 1 << 2;

/** What kinds of blocks there are: stored as they are, one byte over and over, compressed. */
export const blockTypes = { stored: 0, repeated: 1, compressed: 2 } as const;

export interface FrameHeader {
  /** Of the header. */
  readonly bytes: number;
  /** How many of the last decompressed bytes the next ones may refer to. */
  readonly window: number;
  /** The most bytes that a block decompresses to. */
  readonly largestBlock: number;
  /** Decompressed bytes, where the header says it. */
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
  /** 0 for none. */
  readonly dictionary: number;
}

export interface BlockHeader {
  readonly type: number;
  readonly last: boolean;
  /** Behind the header. */
  readonly storedBytes: number;
  /** Decompressed; undefined for a compressed block. */
  readonly contentBytes: number | undefined;
}

function littleEndian(data: Uint8Array, start: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (data[start + i] as number);
  return value;
}

/**
 * @param data from the first byte of a frame on
 * @returns undefined where the data end within the header
 * @throws Error when it is no frame
 */
export function parseFrameHeader(data: Uint8Array): FrameHeader | undefined {
  if (data.length <= flagsPosition) return undefined;
  if (littleEndian(data, 0, 4) !== magic) throw new Error('no Zstandard frame');
  const flags = data[flagsPosition] as number;
  const singleSegment = (flags >> 5) & 1;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 ? singleSegment : 1 << sizeFlag;
  const dictionaryStart = 6 - singleSegment;
  const sizeStart = dictionaryStart + (dictionaryBytes[flags & 3] as number);
  const bytes = sizeStart + sizeBytes;
  if (data.length < bytes) return undefined;
  const size = littleEndian(data, sizeStart, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  const exponent = (data[5] as number) >> 3;
  const window = singleSegment ? size : 2 ** (7 + exponent) * (8 + ((data[5] as number) & 7));
  return {
    bytes,
    window,
    largestBlock: Math.min(window, largestBlock),
    contentBytes: sizeBytes > 0 ? size : undefined,
    hasChecksum: (flags & checksumFlag) !== 0,
    dictionary: littleEndian(data, dictionaryStart, sizeStart - dictionaryStart),
  };
}

/**
 * Bytes of a frame without data, its header included; 0 for any other.
 * @param data at least the first 8 bytes of a frame
 */
export function skippableFrameBytes(data: Uint8Array): number {
  const isSkippable = littleEndian(data, 0, 4) - ((data[0] as number) & 15) === skippableMagic;
  return isSkippable ? littleEndian(data, 4, 4) + 8 : 0;
}

/** @param data that hold the block's header at `start` */
export function parseBlockHeader(data: Uint8Array, start: number): BlockHeader {
  const header = littleEndian(data, start, blockHeaderBytes);
  const type = (header >> 1) & 3;
  const size = header >> 3;
  return {
    type,
    last: (header & 1) !== 0,
    storedBytes: type === blockTypes.repeated ? 1 : size,
    contentBytes: type === blockTypes.compressed ? undefined : size,
  };
}
