/**
 * Memory outside the JavaScript heap that every worker thread sees at the same address, and that onnxruntime
 * takes as tensors without a copy.
 * @module
 */
import koffi from 'koffi';
import { RunError } from '../errors.js';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = process.platform === 'darwin' ? 0x1000 : 0x20;
const MADV_DONTNEED = 4;
const PAGE = 4096;

const libc = koffi.load(null);
const mmap = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const munmap = libc.func('int munmap(void *address, size_t length)');
const madvise = libc.func('int madvise(void *address, size_t length, int advice)');

/** glibc keeps freed memory for itself until told not to; other C libraries have no such function. */
const mallocTrim = (() => {
  try {
    return libc.func('int malloc_trim(size_t pad)');
  } catch {
    return undefined;
  }
})();

/** Gives memory that the C library holds in reserve back to the system. */
export function trimReserve(): void {
  mallocTrim?.(0);
}

/** A place in native memory; plain data, so it can be sent to a worker. */
export interface NativeRegion {
  readonly address: bigint;
  readonly bytes: number;
}

/** Zero-filled pages, counted in RSS only once touched. @throws RunError when the system has none left */
export function allocateNative(bytes: number): NativeRegion {
  const length = Math.max(PAGE, Math.ceil(bytes / PAGE) * PAGE);
  const pointer = mmap(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const address = BigInt(koffi.address(pointer));
  if (address === 0xffff_ffff_ffff_ffffn || address === 0n) {
    throw new RunError(`out of memory: the system refused ${length} bytes`);
  }
  return { address, bytes: length };
}

/** Gives the region back. No view of it may be used afterwards, in any thread. */
export function freeNative(region: NativeRegion): void {
  if (munmap(region.address, region.bytes) !== 0)
    throw new RunError(`munmap of ${region.bytes} bytes failed`);
}

/** Drops the content and its pages from RSS; the region reads as zeros until written again. */
export function discardNative(region: NativeRegion): void {
  if (process.platform === 'linux') madvise(region.address, region.bytes, MADV_DONTNEED);
  else new Uint8Array(koffi.view(region.address, region.bytes)).fill(0);
}

/** `length` f32 elements from an address. */
export function float32View(address: bigint, length: number): Float32Array {
  return new Float32Array(koffi.view(address, length * 4));
}

export function bytesView(address: bigint, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length));
}

export function int64View(address: bigint, length: number): BigInt64Array {
  return new BigInt64Array(koffi.view(address, length * 8));
}
