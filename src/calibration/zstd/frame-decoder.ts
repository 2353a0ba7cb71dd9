/**
 * Decompressing Zstandard frames as their bytes come.
 * @see https://datatracker.ietf.org/doc/html/rfc8878
 * @module
 */
import { Decompress } from 'fzstd';
import { RequestError } from '../../errors.js';
import { CompressedDataError } from '../compressed-data-error.js';
import { ContentChecksum } from './content-checksum.js';
import {
  blockHeaderBytes,
  blockTypes,
  checksumFlag,
  type FrameHeader,
  flagsPosition,
  parseBlockHeader,
  parseFrameHeader,
  skippableFrameBytes,
} from './frame-header.js';

/** What `zstd` itself takes unless it is told to take more; the memory for it is there from the start of a frame. */
const largestWindow = 2 ** 27;
/** What all levels but the highest have at most. */
const usualWindow = 2 ** 23;
/** Decompressed in one go. */
const enoughBytes = 2 ** 17;
/** The library moves the whole window for every block, which takes as long as decompressing this part of it. */
const blocksAWindow = 1024;
/** Bytes of windows that may be moved: so many, and so many more for every byte that comes in or out. */
const movedBytes = 2 ** 32;
const movedBytesPerByte = 2 ** 14;
/** More than whatever says what kind of frame it is, less than any whole frame. */
const frameStartBytes = 8;
const checksumBytes = 4;

const nothing = new Uint8Array();

interface Frame {
  readonly header: FrameHeader;
  readonly library: Decompress;
  /** What the library has given and nobody has taken. */
  readonly output: Uint8Array[];
  readonly checksum: ContentChecksum | undefined;
  /** Bytes so far. */
  length: number;
  /** Whether the last block was read. */
  ended: boolean;
}

/**
 * The library decompresses blocks; frames are taken apart here, so that no more than a block is decompressed beyond what was asked
 * for, and sizes and checksums are looked at, which the library doesn't.
 */
export class FrameDecoder {
  #input: Uint8Array = nothing;
  /** Bytes of a frame that holds no data. */
  #toSkip = 0;
  #frame: Frame | undefined;
  #frames = 0;
  /** Of windows, so far. */
  #moved = 0;
  /** Bytes that came in or out. */
  #passed = 0;
  /** What went wrong behind the data that were given last. */
  #problem: unknown;

  /** @param name of the file, for messages */
  constructor(private readonly name: string) {}

  push(bytes: Uint8Array): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
  }

  /** Of the frame that is being decompressed. */
  get window(): number {
    return this.#frame?.header.window ?? 0;
  }

  /**
   * Some of what the bytes so far hold, which may be nothing; undefined where they hold no more.
   * @throws CompressedDataError; RequestError for what isn't damaged and isn't read
   */
  decode(): Uint8Array[] | undefined {
    if (this.#problem !== undefined) throw this.#problem;
    const pieces: Uint8Array[] = [];
    try {
      for (let effort = 0; effort < enoughBytes; ) {
        const before = this.#frame;
        const piece = this.#next();
        if (piece === undefined) return pieces.length > 0 ? pieces : undefined;
        if (piece.length > 0) pieces.push(piece);
        effort += piece.length + this.window / blocksAWindow;
        // The first block of a large window takes more time than others.
        if (!before && this.window > usualWindow) break;
      }
    } catch (error) {
      if (pieces.length === 0) throw error;
      this.#problem = error;
    }
    return pieces;
  }

  /** @throws CompressedDataError where the bytes so far are no whole frames */
  end(): void {
    if (this.#frames === 0 || this.#frame || this.#toSkip > 0 || this.#input.length > 0)
      throw new CompressedDataError('unexpected end of file');
  }

  /** Undefined where more bytes are needed. */
  #next(): Uint8Array | undefined {
    if (this.#toSkip > 0) return this.#skip();
    if (!this.#frame) return this.#begin();
    return this.#frame.ended ? this.#finish(this.#frame) : this.#block(this.#frame);
  }

  #take(length: number): Uint8Array {
    const taken = this.#input.subarray(0, length);
    this.#input = this.#input.subarray(length);
    return taken;
  }

  #skip(): Uint8Array | undefined {
    const { length } = this.#take(Math.min(this.#toSkip, this.#input.length));
    this.#toSkip -= length;
    return length > 0 ? nothing : undefined;
  }

  #begin(): Uint8Array | undefined {
    if (this.#input.length < frameStartBytes) return undefined;
    this.#toSkip = skippableFrameBytes(this.#input);
    if (this.#toSkip > 0) return nothing;
    const header = checked(() => parseFrameHeader(this.#input));
    if (!header) return undefined;
    this.#requireReadable(header);
    const own = Uint8Array.from(this.#take(header.bytes));
    // The library would pass over the checksum.
    own[flagsPosition] = (own[flagsPosition] as number) & ~checksumFlag;
    const output: Uint8Array[] = [];
    const library = new Decompress((piece) => output.push(piece));
    checked(() => library.push(own));
    const checksum = header.hasChecksum ? new ContentChecksum() : undefined;
    this.#frame = { header, library, output, checksum, length: 0, ended: false };
    this.#frames++;
    return nothing;
  }

  #requireReadable({ window, dictionary }: FrameHeader): void {
    if (window > largestWindow)
      throw new RequestError(
        `${this.name}: its zstd data need a window of ${window} bytes; up to ${largestWindow} are read; compress it without --long`,
      );
    if (dictionary !== 0)
      throw new RequestError(
        `${this.name}: its zstd data need dictionary ${dictionary}; compress it without one`,
      );
  }

  #block(frame: Frame): Uint8Array | undefined {
    if (this.#input.length < blockHeaderBytes) return undefined;
    const { type, last, storedBytes, contentBytes = 0 } = parseBlockHeader(this.#input, 0);
    const { largestBlock } = frame.header;
    if (contentBytes > largestBlock || (type === blockTypes.compressed && storedBytes > largestBlock))
      throw new CompressedDataError(`a block of more than ${largestBlock} bytes`);
    if (this.#input.length < blockHeaderBytes + storedBytes) return undefined;
    const block = this.#take(blockHeaderBytes + storedBytes);
    this.#moved += frame.header.window;
    if (this.#moved > movedBytes + movedBytesPerByte * this.#passed)
      throw new CompressedDataError('too little in too many blocks for so large a window');
    checked(() => frame.library.push(block, last));
    const data = frame.output.length === 1 ? (frame.output[0] as Uint8Array) : Buffer.concat(frame.output);
    frame.output.length = 0;
    frame.length += data.length;
    this.#passed += block.length + data.length;
    frame.checksum?.update(data);
    frame.ended = last;
    return data;
  }

  #finish({ header, checksum, length }: Frame): Uint8Array | undefined {
    if (header.contentBytes !== undefined && header.contentBytes !== length)
      throw new CompressedDataError(`${length} bytes where ${header.contentBytes} were announced`);
    if (checksum) {
      if (this.#input.length < checksumBytes) return undefined;
      const stored = Buffer.from(this.#take(checksumBytes)).readUInt32LE();
      if (stored !== checksum.value()) throw new CompressedDataError('incorrect checksum');
    }
    this.#frame = undefined;
    return nothing;
  }
}

/** Whatever damaged data make the library throw. */
function checked<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    // What it didn't foresee has messages about its own variables.
    const foreseen = cause instanceof Error && cause.constructor === Error;
    throw new CompressedDataError(foreseen ? cause.message : 'invalid zstd data', { cause });
  }
}
