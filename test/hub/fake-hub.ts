/**
 * The hub of `scripts/interop/hub-server.mjs` with a small model in it, for tests.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type Hub, hubFromEnvironment } from '../../src/hub/hub.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';

export interface FakeRepository {
  type: 'model' | 'dataset';
  id: string;
  refs: Record<string, string>;
  files: Record<string, Buffer>;
  /** Only who sends it may read. */
  token?: string;
  gated?: boolean;
}

export interface Exchange {
  server: 'hub' | 'storage';
  path: string;
  url: URL;
  request: IncomingMessage;
  response: ServerResponse;
  /** Of a storage's file. */
  content?: Buffer;
  /** How often the same was asked for before. */
  count: number;
}

export interface FakeHub {
  url: string;
  storageUrl: string;
  requests: {
    server: 'hub' | 'storage';
    method: string;
    path: string;
    query: string;
    authorization?: string;
    range?: string;
  }[];
  intercept: ((exchange: Exchange) => boolean) | undefined;
  close(): void;
}

interface HubServer {
  startHub(options: { repositories: FakeRepository[]; pageSize?: number }): Promise<FakeHub>;
  sendContent(
    request: IncomingMessage,
    response: ServerResponse,
    content: Buffer,
    headers: Record<string, string>,
  ): void;
  sha256(content: Buffer): string;
  gitSha1(content: Buffer): string;
}

// Plain JavaScript, outside of what the compiler sees.
const script = new URL('../../scripts/interop/hub-server.mjs', import.meta.url).href;
export const { startHub, sendContent, sha256, gitSha1 } = (await import(script)) as HubServer;

export const COMMIT = 'c0ffee'.padEnd(40, '0');
export const ID = 'org/tiny';
export const TOKEN = 'hf_secretSecretSecret';

/** `bytes` of a file that is long enough to be cut, with some structure. */
export function bytes(length: number, seed = 1): Buffer {
  const content = Buffer.alloc(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    content[i] = state >> 16;
  }
  return content;
}

/** A safetensors file of one tensor of random bytes. */
export function safetensors(name: string, rows: number, seed = 1): Buffer {
  const data = bytes(rows * 4, seed);
  const header = Buffer.from(
    JSON.stringify({ [name]: { dtype: 'F32', shape: [rows], data_offsets: [0, rows * 4] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

/** The files of a model that can be opened, of some hundred kilobytes. */
export function modelFiles(): Record<string, Buffer> {
  return {
    '.gitattributes': Buffer.from('*.safetensors filter=lfs\n'),
    'README.md': Buffer.from('# tiny\n'),
    'config.json': Buffer.from('{"model_type": "tiny"}'),
    'tokenizer.json': Buffer.from('{"version": "1.0"}'),
    'tokenizer_config.json': Buffer.from('{"bos_token": "<s>"}'),
    'model.safetensors': safetensors('a', 50_000),
    'pytorch_model.bin': bytes(1000),
    'onnx/model.onnx': bytes(1000),
    'onnx/config.json': Buffer.from('{}'),
    'templates/chat.jinja': Buffer.from('{{ messages }}'),
  };
}

/** The same model in two shards. */
export function shardedFiles(): Record<string, Buffer> {
  const { 'model.safetensors': _, ...others } = modelFiles();
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  return {
    ...others,
    'consolidated.safetensors': safetensors('all', 10),
    [shards[0]]: safetensors('a', 20_000, 2),
    [shards[1]]: safetensors('b', 20_000, 3),
    'model.safetensors.index.json': Buffer.from(
      JSON.stringify({ metadata: {}, weight_map: { a: shards[0], b: shards[1] } }),
    ),
  };
}

/** A model's repository at `main`. */
export function repository(files = modelFiles(), more: Partial<FakeRepository> = {}): FakeRepository {
  return { type: 'model', id: ID, refs: { main: COMMIT }, files, ...more };
}

export interface Place {
  readonly server: FakeHub;
  readonly hub: Hub;
  readonly cache: string;
  /** Folder of the model in the cache. */
  readonly model: string;
  readonly snapshot: string;
  /** Another process's view, with other settings. */
  readonly as: (env: Record<string, string>) => Hub;
}

/** Starts hubs, each with an empty cache; they end after each test. */
export function fakeHubs(): (repositories?: FakeRepository[], pageSize?: number) => Promise<Place> {
  const newFolder = temporaryFolders();
  const started: FakeHub[] = [];
  afterEach(() => {
    for (const server of started.splice(0)) server.close();
  });
  return async (repositories = [repository()], pageSize = 1000) => {
    const server = await startHub({ repositories, pageSize });
    started.push(server);
    const cache = join(newFolder(), 'hub');
    const model = join(cache, 'models--org--tiny');
    const as = (env: Record<string, string>): Hub => ({
      ...hubFromEnvironment({ HOME: '/nowhere', HF_ENDPOINT: server.url, HF_HUB_CACHE: cache, ...env }),
      patience: { firstWait: 1, stall: 10_000 },
    });
    return { server, hub: as({}), cache, model, snapshot: join(model, 'snapshots', COMMIT), as };
  };
}
