/**
 * The few system calls on memory and files that Node has no function for, through koffi.
 * @module
 */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

const PROT_READ = 1;
const MAP_SHARED = 1;
const MADV_DONTNEED = 4;
const MAP_FAILED = 2n ** 64n - 1n;

/** An `errno` value and the name the system gives it (`ENOSPC`). */
export interface SystemError {
  readonly errno: number;
  readonly code: string;
}

export interface NativeMemory {
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
  /** Reserves disk blocks for a file up to `bytes`; `undefined` on success. */
  allocate(descriptor: number, bytes: number): SystemError | undefined;
}

let loaded: NativeMemory | { readonly unavailable: string } | undefined;

/** The system calls, or why they can't be had here. Loaded at first use, once a thread. */
export function nativeMemory(): NativeMemory | { readonly unavailable: string } {
  loaded ??= load();
  return loaded;
}

function load(): NativeMemory | { readonly unavailable: string } {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    return { unavailable: `mapping files is not supported on ${process.platform}` };
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    if (koffi.sizeof('void *') !== 8) return { unavailable: 'mapping files needs a 64-bit system' };
    const native = bind(koffi);
    const source = new Uint8Array([1, 2, 3, 4]);
    const target = new Uint8Array(4);
    if (native.copy(koffi.address(source.buffer), target) !== 4 || target[3] !== 4)
      return { unavailable: 'the system does not let a process copy its own memory (process_vm_readv)' };
    return native;
  } catch (error) {
    return { unavailable: `koffi can't be used: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function bind(koffi: typeof Koffi): NativeMemory {
  const library = koffi.load(null);
  const linux = process.platform === 'linux';
  const mmap = library.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);
  const munmap = library.func('munmap', 'int', ['void *', 'size_t']);
  const madvise = library.func('madvise', 'int', ['void *', 'size_t', 'int']);
  const fallocate = linux
    ? library.func('fallocate', 'int', ['int', 'int', 'int64_t', 'int64_t'])
    : undefined;

  const systemError = (): SystemError => {
    const errno = koffi.errno();
    const code = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0];
    return { errno, code: code ?? `errno ${errno}` };
  };

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
      return copied < 0 ? systemError() : copied;
    };
  };

  return {
    map(descriptor, bytes) {
      const address = BigInt(mmap(null, bytes, PROT_READ, MAP_SHARED, descriptor, 0));
      return BigInt.asUintN(64, address) === MAP_FAILED ? systemError() : address;
    },
    unmap(address, bytes) {
      munmap(address, bytes);
    },
    drop(address, bytes) {
      madvise(address, bytes, MADV_DONTNEED);
    },
    copy: linux ? readOwnMemory() : view,
    allocate(descriptor, bytes) {
      if (fallocate === undefined) return { errno: koffi.os.errno.ENOTSUP ?? 0, code: 'ENOTSUP' };
      for (;;) {
        if (fallocate(descriptor, 0, 0, bytes) === 0) return undefined;
        const error = systemError();
        if (error.code !== 'EINTR') return error;
      }
    },
  };
}
