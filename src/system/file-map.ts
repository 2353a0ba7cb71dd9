/**
 * Files mapped into memory, read-only, and copied out of it by the kernel.
 * @module
 */
import { type Libc, libc, type SystemError, type Unavailable } from './libc.js';

const PROT_READ = 1;
const MAP_SHARED = 1;
const MADV_DONTNEED = 4;
const MAP_FAILED = 2n ** 64n - 1n;

export interface FileMap {
  /** Maps `bytes` of a file shared and read-only; returns the address, or the error. */
  map(descriptor: number, bytes: number): bigint | SystemError;
  unmap(address: bigint, bytes: number): void;
  /** Tells the system that these pages of a mapping won't be used soon; `address` is page-aligned. */
  drop(address: bigint, bytes: number): void;
  /**
   * Copies mapped memory into `target`; returns the bytes copied. On Linux the kernel does it
   * (`process_vm_readv` on this very process), so that a page whose file has gone ends the copy instead of
   * raising SIGBUS.
   */
  copy(address: bigint, target: Uint8Array): number | SystemError;
}

let loaded: FileMap | Unavailable | undefined;

/** The calls that map files, or why they can't be had here. Bound at first use, once a thread. */
export function fileMap(): FileMap | Unavailable {
  loaded ??= load();
  return loaded;
}

function load(): FileMap | Unavailable {
  const system = libc();
  if ('unavailable' in system) return system;
  try {
    const bound = bind(system);
    const source = new Uint8Array([1, 2, 3, 4]);
    const target = new Uint8Array(4);
    if (bound.copy(system.koffi.address(source.buffer), target) !== 4 || target[3] !== 4)
      return { unavailable: 'the system does not let a process copy its own memory (process_vm_readv)' };
    return bound;
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}

function bind({ koffi, library, lastError }: Libc): FileMap {
  const mmap = library.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);
  const munmap = library.func('munmap', 'int', ['void *', 'size_t']);
  const madvise = library.func('madvise', 'int', ['void *', 'size_t', 'int']);

  const view = (address: bigint, target: Uint8Array): number => {
    target.set(new Uint8Array(koffi.view(address, target.byteLength)));
    return target.byteLength;
  };

  const readOwnMemory = () => {
    const range = koffi.pointer(koffi.struct({ base: 'void *', bytes: 'size_t' }));
    const readv = library.func('process_vm_readv', 'int64_t', [
      'int',
      range,
      'unsigned long',
      range,
      'unsigned long',
      'unsigned long',
    ]);
    return (address: bigint, target: Uint8Array): number | SystemError => {
      const bytes = target.byteLength;
      const copied = Number(readv(process.pid, { base: target, bytes }, 1, { base: address, bytes }, 1, 0));
      return copied < 0 ? lastError() : copied;
    };
  };

  return {
    map(descriptor, bytes) {
      const address = BigInt(mmap(null, bytes, PROT_READ, MAP_SHARED, descriptor, 0));
      return BigInt.asUintN(64, address) === MAP_FAILED ? lastError() : address;
    },
    unmap(address, bytes) {
      munmap(address, bytes);
    },
    drop(address, bytes) {
      madvise(address, bytes, MADV_DONTNEED);
    },
    copy: process.platform === 'linux' ? readOwnMemory() : view,
  };
}
