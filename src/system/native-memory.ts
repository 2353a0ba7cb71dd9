/**
 * Memory outside the JavaScript heap that every worker thread sees at the same address, and that onnxruntime
 * takes as tensors without a copy.
 * @module
 */
import type * as Koffi from 'koffi';
import { RunError } from '../errors.js';
import { requireLibc } from './libc.js';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = process.platform === 'darwin' ? 0x1000 : 0x20;
const MADV_DONTNEED = 4;
const MAP_FAILED = 2n ** 64n - 1n;
const PAGE = 4096;

/** A place in native memory; plain data, so it can be sent to a worker. */
export interface NativeRegion {
  readonly address: bigint;
  readonly bytes: number;
}

type NativeFunction = ReturnType<Koffi.LibraryHandle['func']>;

interface Calls {
  readonly koffi: typeof Koffi;
  readonly mmap: NativeFunction;
  readonly munmap: NativeFunction;
  readonly madvise: NativeFunction;
  readonly mallocTrim: NativeFunction | undefined;
}

let bound: Calls | undefined;

function calls(): Calls {
  if (bound) return bound;
  const { koffi, library } = requireLibc();
  bound = {
    koffi,
    mmap: library.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']),
    munmap: library.func('munmap', 'int', ['void *', 'size_t']),
    madvise: library.func('madvise', 'int', ['void *', 'size_t', 'int']),
    mallocTrim: optional(() => library.func('malloc_trim', 'int', ['size_t'])),
  };
  return bound;
}

/** glibc keeps freed memory for itself until told not to; other C libraries have no such function. */
function optional<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

/** Gives memory that the C library holds in reserve back to the system. */
export function trimReserve(): void {
  calls().mallocTrim?.(0);
}

/** Zero-filled pages, counted in RSS only once touched. @throws RunError when the system has none left */
export function allocateNative(bytes: number): NativeRegion {
  const length = Math.max(PAGE, Math.ceil(bytes / PAGE) * PAGE);
  const { mmap } = calls();
  const address = BigInt(mmap(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (BigInt.asUintN(64, address) === MAP_FAILED || address === 0n) {
    throw new RunError(`out of memory: the system refused ${length} bytes`);
  }
  return { address, bytes: length };
}

/** Gives the region back. No view of it may be used afterwards, in any thread. */
export function freeNative(region: NativeRegion): void {
  if (calls().munmap(region.address, region.bytes) !== 0)
    throw new RunError(`munmap of ${region.bytes} bytes failed`);
}

/** Drops the content and its pages from RSS; the region reads as zeros until written again. */
export function discardNative({ address, bytes }: NativeRegion): void {
  if (process.platform === 'linux') calls().madvise(address, bytes, MADV_DONTNEED);
  else {
    for (let first = 0; first < bytes; first += MAX_VIEW_BYTES) {
      bytesView(address + BigInt(first), Math.min(MAX_VIEW_BYTES, bytes - first)).fill(0);
    }
  }
}

/** Bytes of a cache line. */
const CACHE_LINE = 64;

/**
 * An array of JavaScript's own that begins with a cache line. Large ones otherwise begin 16 bytes into a page, where the
 * system's copies out of the page cache run at a fifth of their speed.
 */
export function alignedFloat32(length: number): Float32Array<ArrayBuffer> {
  const memory = new ArrayBuffer(length * 4 + CACHE_LINE);
  const past = Number(addressOf(new Uint8Array(memory)) % BigInt(CACHE_LINE));
  return new Float32Array(memory, (CACHE_LINE - past) % CACHE_LINE, length);
}

/** Where an array's first element lies; it stays there as long as the array is used. */
export function addressOf(array: ArrayBufferView): bigint {
  return BigInt(calls().koffi.address(array));
}

/** Node 20 ends the process where a view is larger. */
const MAX_VIEW_BYTES = 2 ** 32;

/** `length` f32 elements from an address. @throws RunError above 4 GiB */
export function float32View(address: bigint, length: number): Float32Array {
  return new Float32Array(view(address, length * 4));
}

/** @throws RunError above 4 GiB */
export function bytesView(address: bigint, length: number): Uint8Array {
  return new Uint8Array(view(address, length));
}

function view(address: bigint, bytes: number): ArrayBuffer {
  if (bytes > MAX_VIEW_BYTES) {
    throw new RunError(`${bytes} bytes of memory are to be looked at in one piece, and 4 GiB are the most`);
  }
  return calls().koffi.view(address, bytes);
}
