/**
 * onnxruntime's C API, which takes tensors by address. Through its binding for JavaScript every run takes time with the size
 * of its outputs: an addition of 512 × 576 numbers 1.4 ms, instead of 0.07 ms.
 * @module
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RequestError, RunError } from '../errors.js';
import { requireLibc } from '../system/libc.js';

/** Of the API, not of the library; later libraries go on serving it. */
const API_VERSION = 20;

/**
 * Places of functions in `OrtApi`, to whose end alone functions are added
 * (https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h).
 * These return a status, null when all went well.
 */
const FUNCTIONS = {
  createEnv: { place: 3, arguments: ['int', 'void *', 'void *'] },
  createSessionFromArray: { place: 8, arguments: ['void *', 'void *', 'size_t', 'void *', 'void *'] },
  run: {
    place: 9,
    arguments: ['void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *'],
  },
  createSessionOptions: { place: 10, arguments: ['void *'] },
  disableMemPattern: { place: 17, arguments: ['void *'] },
  setSessionLogSeverityLevel: { place: 22, arguments: ['void *', 'int'] },
  setSessionGraphOptimizationLevel: { place: 23, arguments: ['void *', 'int'] },
  setIntraOpNumThreads: { place: 24, arguments: ['void *', 'int'] },
  setInterOpNumThreads: { place: 25, arguments: ['void *', 'int'] },
  createTensorWithDataAsOrtValue: {
    place: 49,
    arguments: ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *'],
  },
  createCpuMemoryInfo: { place: 69, arguments: ['int', 'int', 'void *'] },
  addSessionConfigEntry: { place: 130, arguments: ['void *', 'const char *', 'const char *'] },
} as const;

const GET_ERROR_MESSAGE = 2;
const RELEASE = { status: 93, session: 95, value: 96 } as const;
const PLACES = 131;

/** `ORT_LOGGING_LEVEL_ERROR` */
const ERRORS_ONLY = 3;
/** `ORT_ENABLE_ALL` */
const ALL_OPTIMIZATIONS = 99;
/** `OrtArenaAllocator` and `OrtMemTypeDefault` */
const ARENA = 1;
const DEFAULT_MEMORY = 0;

type Name = keyof typeof FUNCTIONS;

export interface OnnxRuntime {
  readonly env: bigint;
  /** Of a session with so many threads, and no memory pattern. */
  sessionOptions(threads: number): bigint;
  /** Of ordinary memory. */
  readonly memoryInfo: bigint;
  /** @throws RunError with onnxruntime's words */
  call(name: Name, ...args: unknown[]): void;
  /** Calls a function whose last argument is the place of a new object, and returns that. */
  create(name: Name, ...args: unknown[]): bigint;
  release(kind: 'session' | 'value', object: bigint): void;
}

/** `RTLD_NOW` and `RTLD_NODELETE` */
const LOAD_FOR_GOOD = 2 | (process.platform === 'darwin' ? 0x80 : 0x1000);

let loaded: OnnxRuntime | undefined;

/** Loaded at first use, once a thread. @throws RequestError where there is no library for this machine */
export function onnxRuntime(): OnnxRuntime {
  loaded ??= load();
  return loaded;
}

function load(): OnnxRuntime {
  const { koffi, library: libc } = requireLibc();
  const file = libraryFile();
  // What a thread loads is unloaded when the thread ends; sessions that it leaves behind need the code.
  libc.func('void *dlopen(const char *file, int flags)')(file, LOAD_FOR_GOOD);
  const library = koffi.load(file);
  const [getApi] = pointers(library.func('void *OrtGetApiBase()')(), 1);
  const api = koffi.call(getApi, koffi.proto('void *', ['uint32_t']), API_VERSION);
  if (api === null) throw new RequestError(`onnxruntime is too old: it has no API of version ${API_VERSION}`);
  const table = pointers(api, PLACES);

  const message = koffi.proto('const char *', ['void *']);
  const released = koffi.proto('void', ['void *']);
  const functions = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, { place, arguments: types }]) => {
      const type = koffi.proto('void *', [...types]);
      return [name, (args: readonly unknown[]): unknown => koffi.call(table[place], type, ...args)];
    }),
  ) as Record<Name, (args: readonly unknown[]) => unknown>;
  const call = (name: Name, ...args: unknown[]): void => {
    const status = functions[name](args);
    if (status === null) return;
    const words = koffi.call(table[GET_ERROR_MESSAGE], message, status) as string;
    koffi.call(table[RELEASE.status], released, status);
    throw new RunError(`onnxruntime: ${words}`);
  };
  const result = new BigUint64Array(1);
  const create = (name: Name, ...args: unknown[]): bigint => {
    call(name, ...args, result);
    return result[0] as bigint;
  };

  const newOptions = (threads: number): bigint => {
    const options = create('createSessionOptions');
    call('setIntraOpNumThreads', options, threads);
    call('setInterOpNumThreads', options, 1);
    // Threads that wait busily would take processors from workers.
    if (threads > 1) call('addSessionConfigEntry', options, 'session.intra_op.allow_spinning', '0');
    call('setSessionGraphOptimizationLevel', options, ALL_OPTIMIZATIONS);
    // It asks for all values of a run in one piece, and the session's arena then holds on to pieces of two kinds.
    call('disableMemPattern', options);
    call('setSessionLogSeverityLevel', options, ERRORS_ONLY);
    return options;
  };
  const options = new Map<number, bigint>();
  return {
    env: create('createEnv', ERRORS_ONLY, Buffer.from('secateur\0')),
    sessionOptions(threads) {
      const known = options.get(threads) ?? newOptions(threads);
      options.set(threads, known);
      return known;
    },
    memoryInfo: create('createCpuMemoryInfo', ARENA, DEFAULT_MEMORY),
    call,
    create,
    release: (kind, object) => koffi.call(table[RELEASE[kind]], released, object),
  };

  function pointers(address: unknown, count: number): BigUint64Array {
    return new BigUint64Array(koffi.view(address, count * 8));
  }
}

/** The library that comes with `onnxruntime-node`, for this system. */
function libraryFile(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const folder = join(root, 'bin/napi-v6', process.platform, process.arch);
  try {
    const file = readdirSync(folder).find((name) => name.startsWith('libonnxruntime.'));
    if (file) return join(folder, file);
  } catch {
    // Said below.
  }
  throw new RequestError(
    `onnxruntime-node has no library for ${process.platform} on ${process.arch} (looked into ${folder})`,
  );
}
