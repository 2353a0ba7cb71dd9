/** Text of datasets on the hub, from a server of this process. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadCalibration } from '../../src/calibration/load-calibration.js';
import { openTextSource, pinTextSource, sourceDocuments } from '../../src/calibration/open-text-source.js';
import { loadTokenizer, type Tokenizer } from '../../src/calibration/tokenizer.js';
import type { HubSource } from '../../src/config/text-source.js';
import { RunError } from '../../src/errors.js';
import type { Hub } from '../../src/hub/hub.js';
import { compare, evaluate, plan, prune } from '../../src/index.js';
import { fakeHubs, type Place } from '../hub/fake-hub.js';
import { writeTinyModel } from '../reliability/tiny-model.js';
import { contentOf, documentsOf, refusal, tinyTokenizer } from './fixture.js';

const start = fakeHubs();
const COMMIT = 'da7a5e7'.padEnd(40, '0');
const ID = 'org/text';

const lines = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `document ${from + i}` })}\n`).join('');
const files: Record<string, Buffer> = {
  'README.md': Buffer.from('# text\n'),
  'en/part-0.json.gz': gzipSync(lines(0, 30)),
  'en/part-1.json.gz': gzipSync(lines(30, 30)),
  'en/part-10.json.gz': gzipSync(lines(60, 30)),
  'en/other.jsonl': Buffer.from('{"content": "one"}\n{"content": "two"}\n'),
  'data/test.parquet': readFileSync(
    fileURLToPath(new URL('../golden/parquet/documents-snappy-dictionary.parquet', import.meta.url)),
  ),
};

const dataset = (more: Record<string, Buffer> = {}) => ({
  type: 'dataset' as const,
  id: ID,
  refs: { main: COMMIT, v1: COMMIT },
  files: { ...files, ...more },
});
const place = (more?: Record<string, Buffer>) => start([dataset(more)]);

const source = (pattern: string, more: Partial<HubSource> = {}): HubSource => ({
  hub: ID,
  files: pattern,
  revision: 'main',
  ...more,
});

async function documents(hub: Hub, from: HubSource, most = Number.POSITIVE_INFINITY) {
  const contents: unknown[] = [];
  const read: string[] = [];
  for await (const document of sourceDocuments(await openTextSource(from, { hub }), (name) =>
    read.push(name),
  )) {
    contents.push(contentOf(document));
    if (contents.length >= most) break;
  }
  return { contents, read };
}

const address = (path: string) => `hf://datasets/${ID}@${COMMIT}/${path}`;
const numbered = (count: number) => Array.from({ length: count }, (_, i) => `document ${i}`);
const contentRequests = ({ server }: Place) =>
  server.requests.filter(({ path }) => path.includes('/resolve/'));

/** Sends a content bit by bit, as long as somebody takes it; `sent` counts. */
function trickle(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  sent: { bytes: number },
): true {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': content.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  const step = 2 ** 16;
  const next = (at: number) => {
    if (response.destroyed) return;
    if (at >= content.length) return response.end();
    sent.bytes += Math.min(step, content.length - at);
    response.write(content.subarray(at, at + step), () => next(at + step));
  };
  next(from);
  return true;
}

describe('a dataset on the hub', () => {
  it('gives the documents of the files that match, in the order of their names', async () => {
    const { hub } = await place();
    const all = await documents(hub, source('en/part-*.json.gz'));
    expect(all.read).toEqual(['en/part-0.json.gz', 'en/part-1.json.gz', 'en/part-10.json.gz'].map(address));
    expect(all.contents).toEqual(numbered(90));
    const one = await documents(hub, source('en/other.jsonl', { field: 'content', revision: 'v1' }));
    expect(one.contents).toEqual(['one', 'two']);
  });

  it('is not read beyond the file that is enough', async () => {
    const here = await place();
    const { contents, read } = await documents(here.hub, source('en/part-*'), 35);
    expect(contents).toEqual(numbered(35));
    expect(read).toEqual(['en/part-0.json.gz', 'en/part-1.json.gz'].map(address));
    expect(contentRequests(here)).toHaveLength(2);
  });

  it('is fetched no further than it is read', async () => {
    const line = `${JSON.stringify({ text: 'a good sentence. '.repeat(500) })}\n`;
    const large = Buffer.alloc(64 * 2 ** 20, line);
    const here = await place({ 'large.jsonl': large });
    const sent = { bytes: 0 };
    here.server.intercept = ({ path, request, response }) =>
      path.includes('/resolve/') && trickle(request, response, large, sent);
    expect((await documents(here.hub, source('large.jsonl'), 100)).contents).toHaveLength(100);
    expect(sent.bytes).toBeGreaterThan(100 * line.length);
    expect(sent.bytes).toBeLessThan(24 * 2 ** 20);
  });

  it('has the same documents in a .parquet, of which only what is needed is fetched', async () => {
    const here = await place();
    const { contents } = await documents(here.hub, source('data/*.parquet'));
    expect(contents).toHaveLength(54);

    // Fifty groups of a megabyte.
    const filler = 'a good sentence. '.repeat(6_000);
    const data = Array.from({ length: 500 }, (_, i) => `${i}: ${filler}`);
    const column = { name: 'text', data, type: 'STRING' as const, encoding: 'PLAIN' as const };
    const large = Buffer.from(
      parquetWriteBuffer({ columnData: [column], codec: 'UNCOMPRESSED', rowGroupSize: 10 }),
    );
    const there = await place({ 'large.parquet': large });
    const sent = { bytes: 0 };
    there.server.intercept = ({ path, request, response }) =>
      path.includes('/resolve/') && trickle(request, response, large, sent);
    expect((await documents(there.hub, source('large.parquet'), 12)).contents).toEqual(data.slice(0, 12));
    expect(large.length).toBeGreaterThan(40e6);
    expect(sent.bytes).toBeLessThan(large.length / 2);
    // The end, then from the first group on.
    expect(contentRequests(there).map(({ range }) => range)).toEqual([
      `bytes=${large.length - 2 ** 16}-`,
      'bytes=4-',
    ]);
  });

  it('has conversations in a .parquet, whose roles and contents lie apart', async () => {
    const golden = new URL('../golden/parquet/conversations-snappy.parquet', import.meta.url);
    const here = await place({ 'chat.parquet': readFileSync(fileURLToPath(golden)) });
    const { contents } = await documents(here.hub, source('chat.parquet', { field: 'messages' }));
    expect(contents).toEqual((await documentsOf(fileURLToPath(golden))).map(contentOf));
  });

  it('has documents compressed by zstd, of which no more is fetched than is read', async () => {
    const golden = (name: string) => fileURLToPath(new URL(`../golden/zstd/${name}`, import.meta.url));
    const whole = readFileSync(golden('lines-frames.jsonl.zst'));
    const here = await place({ 'a.jsonl.zst': whole, 'b.jsonl.zst': whole });
    const plain = (await documentsOf(golden('lines.jsonl'))).map(contentOf);
    expect((await documents(here.hub, source('*.jsonl.zst'))).contents).toEqual([...plain, ...plain]);
    const { contents, read } = await documents(here.hub, source('*.jsonl.zst'), 3);
    expect(contents).toEqual(plain.slice(0, 3));
    expect(read).toEqual([address('a.jsonl.zst')]);
  });

  it('goes on where the connection broke', async () => {
    const here = await place();
    const whole = files['en/part-0.json.gz'] as Buffer;
    here.server.intercept = ({ path, request, response, count }) => {
      if (!path.endsWith('part-0.json.gz') || count > 0) return false;
      response.writeHead(200, { 'content-length': whole.length });
      response.write(whole.subarray(0, 100), () => setTimeout(() => response.destroy(), 20));
      return request.method === 'GET';
    };
    expect((await documents(here.hub, source('en/part-0.json.gz'))).contents).toEqual(numbered(30));
    expect(contentRequests(here).map(({ range }) => range)).toEqual([undefined, 'bytes=100-']);
  });

  it('ends in a RunError where the server fails again and again', async () => {
    const here = await place();
    here.server.intercept = ({ path, response }) => {
      if (!path.includes('/resolve/')) return false;
      response.writeHead(503);
      response.end();
      return true;
    };
    await expect(documents(here.hub, source('en/part-0.json.gz'))).rejects.toThrow(RunError);
  });

  it('is refused where there is no such dataset, revision or file, with the nearest names', async () => {
    const { hub } = await place();
    const refused = (from: HubSource) => refusal(() => documents(hub, from));
    expect(await refused(source('a', { hub: 'org/nothing' }))).toMatch(
      /^dataset org\/nothing is not on http/,
    );
    expect(await refused(source('a', { revision: 'v2' }))).toMatch(
      /^dataset org\/text has no revision v2 \(404\)/,
    );
    expect(await refused(source('a', { hub: 'a/b/c' }))).toMatch(/is no name of a dataset on the hub/);
    expect(await refused(source('en/prat-*.json.gz'))).toBe(
      'dataset org/text has no file en/prat-*.json.gz at da7a5e700000; the nearest names are en/part-0.json.gz, en/part-1.json.gz, en/part-10.json.gz',
    );
    expect(await refused(source('eng/part-*'))).toMatch(/; the nearest names are en\/other\.jsonl, /);
    expect(await refused(source('README.md'))).toBe(
      `${address('README.md')}: a text file is a .txt, a .jsonl, one of them as .gz or .zst, or a .parquet, found .md`,
    );
  });

  it('names the file and its line where it is damaged', async () => {
    const { hub } = await place({ 'bad.jsonl': Buffer.from('{"text": "a"}\n{"text"\n') });
    expect(await refusal(() => documents(hub, source('bad.jsonl')))).toMatch(
      new RegExp(`^${address('bad.jsonl')}:2: not valid JSON`),
    );
  });

  it('ends when it is aborted', async () => {
    const here = await place({ 'large.jsonl': Buffer.alloc(8e6, lines(0, 1)) });
    const controller = new AbortController();
    const reason = new Error('enough');
    const open = await openTextSource(source('large.jsonl'), { hub: here.hub, signal: controller.signal });
    const read = async () => {
      for await (const _ of sourceDocuments(open)) controller.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
  });
});

describe('the cache', () => {
  const cacheFile = ({ cache }: Place, path: string, content: Buffer) => {
    const folder = join(cache, 'datasets--org--text');
    mkdirSync(join(folder, 'refs'), { recursive: true });
    writeFileSync(join(folder, 'refs/main'), COMMIT);
    const target = join(folder, 'snapshots', COMMIT, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
  };

  it('is asked first for a single file, and alone when offline', async () => {
    const here = await place();
    cacheFile(here, 'en/part-0.json.gz', gzipSync(lines(0, 3)));
    const cached = await documents(here.hub, source('en/part-0.json.gz'));
    expect(cached).toEqual({ contents: numbered(3), read: [address('en/part-0.json.gz')] });
    const offline = here.as({ HF_HUB_OFFLINE: '1' });
    expect((await documents(offline, source('en/*.gz'))).contents).toEqual(numbered(3));
    expect(await refusal(() => documents(offline, source('en/part-1*')))).toBe(
      'dataset org/text has no file en/part-1* in the cache, and HF_HUB_OFFLINE is set; the nearest names are en/part-0.json.gz',
    );
    expect(await refusal(() => documents(offline, source('a', { hub: 'org/other' })))).toMatch(
      /^dataset org\/other is not in the cache, and HF_HUB_OFFLINE is set/,
    );
    expect(here.server.requests).toEqual([]);
  });

  it('gives those files of a pattern that it has whole', async () => {
    const here = await place();
    cacheFile(here, 'en/part-0.json.gz', files['en/part-0.json.gz'] as Buffer);
    cacheFile(here, 'en/part-1.json.gz', (files['en/part-1.json.gz'] as Buffer).subarray(1));
    const { contents } = await documents(here.hub, source('en/part-*.gz'));
    expect(contents).toEqual(numbered(90));
    expect(contentRequests(here).map(({ path }) => path.split('/').at(-1))).toEqual([
      'part-1.json.gz',
      'part-10.json.gz',
    ]);
  });
});

describe('calibration with a dataset', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(tinyTokenizer);
  });

  it('has the tokens of the files, and tells commit and files', async () => {
    const { hub } = await place();
    const data = [{ ...source('en/part-*.json.gz'), weight: 1 }];
    const request = {
      data,
      samples: 4,
      sequence_length: 32,
      windows: 'contiguous' as const,
      seed: 0,
      bos: 'auto' as const,
    };
    const set = await loadCalibration(request, tokenizer, { vocabularySize: 384 }, { hub });
    const expected = numbered(90).flatMap((text) => [...tokenizer.encode(text)]);
    expect([...set.tokens]).toEqual(expected.slice(0, 128));
    expect(set.sources).toEqual([
      {
        source: address('en/part-*.json.gz'),
        files: [address('en/part-0.json.gz')],
        windows: 4,
        tokens: 128,
      },
    ]);
  });

  it('is what the command line evaluates on', async () => {
    const { server, cache } = await place();
    const model = join(cache, 'tiny');
    writeTinyModel(model);
    const data = `hf://datasets/${ID}@v1/en/other.jsonl`;
    const args = [
      'eval',
      model,
      '--baseline',
      model,
      '--data',
      data,
      '--field',
      'content',
      '--context',
      '2',
      '--workers',
      '1',
    ];
    const env = { ...process.env, HF_ENDPOINT: server.url, HF_HUB_CACHE: cache };
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { env });
    expect(stdout).toContain(`${address('en/other.jsonl')}: 2 windows of 2 tokens`);
    // Both checkpoints read the same, wherever the tag goes meanwhile.
    expect(server.requests.filter(({ path }) => path.includes('/revision/'))).toHaveLength(1);
  });

  it('lets a plan be stopped while it is read', async () => {
    const { server, cache } = await place();
    const [model, run] = [join(cache, 'tiny'), join(cache, 'run.yaml')];
    writeTinyModel(model);
    const data = `hf://datasets/${ID}/en/other.jsonl`;
    writeFileSync(
      run,
      `model: ${model}\noutput: out\ncalibration: {data: ${data}}\nprune: {method: wanda, sparsity: 0.5}\n`,
    );
    const controller = new AbortController();
    const reason = new Error('enough');
    // The file itself never comes.
    server.intercept = ({ path }) => {
      if (path.includes('/resolve/')) controller.abort(reason);
      return path.includes('/resolve/');
    };
    vi.stubEnv('HF_ENDPOINT', server.url);
    vi.stubEnv('HF_HUB_CACHE', cache);
    try {
      await expect(plan(run, { signal: controller.signal })).rejects.toBe(reason);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('that is missing is told before a model is downloaded', async () => {
    const { server, cache } = await place();
    const run = join(cache, '..', 'run.yaml');
    vi.stubEnv('HF_ENDPOINT', server.url);
    vi.stubEnv('HF_HUB_CACHE', cache);
    const refused = async (more: string, work: (path: string) => Promise<unknown>) => {
      writeFileSync(run, `model: org/model\noutput: out\nprune: {method: wanda, sparsity: 0.5}\n${more}`);
      return await refusal(() => work(run));
    };
    try {
      for (const work of [plan, prune]) {
        expect(await refused('', work)).toMatch(/^prune\.method wanda learns from calibration text/);
        expect(await refused('calibration: {data: none.txt}\n', work)).toMatch(/none\.txt: no such file$/);
      }
      const comparing = (path: string) => compare(path, { methods: ['wanda'], goals: ['2:4'] });
      expect(await refused('evaluation: {data: none.txt}\n', comparing)).toMatch(/none\.txt: no such file$/);
      expect(await refusal(() => evaluate('org/model', { data: 'none.txt' }))).toMatch(
        /none\.txt: no such file$/,
      );
    } finally {
      vi.unstubAllEnvs();
    }
    expect(server.requests).toEqual([]);
  });

  it('is read at the commit that the run began with when the run goes on', async () => {
    const repository = dataset();
    const { server, cache } = await start([repository]);
    const [model, run, output] = ['tiny', 'run.yaml', 'out'].map((name) => join(cache, name)) as [
      string,
      string,
      string,
    ];
    writeTinyModel(model);
    const data = `hf://datasets/${ID}/en/part-*.json.gz`;
    const calibration = `{data: ${data}, samples: 2, sequence_length: 16}`;
    writeFileSync(
      run,
      `model: ${model}\noutput: ${output}\ncalibration: ${calibration}\nprune: {method: wanda, sparsity: 0.5}\n`,
    );
    vi.stubEnv('HF_ENDPOINT', server.url);
    vi.stubEnv('HF_HUB_CACHE', cache);
    try {
      const set = ['resources.workers=1'];
      expect(await prune(run, { set })).toMatchObject({ alreadyDone: false });
      repository.refs.main = 'beef'.padEnd(40, '0');
      server.requests.length = 0;
      const again = await prune(run, { set });
      expect(again.alreadyDone).toBe(true);
      expect(again.report.run.texts?.[0]?.source).toBe(address('en/part-*.json.gz'));
      const [first] = server.requests;
      expect(first?.path).toBe(`/api/datasets/${ID}/tree/${COMMIT}/en`);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('may be held at the commit that it has now', async () => {
    const { hub } = await place();
    const from = { ...source('en/part-0.json.gz'), weight: 2 };
    expect(await pinTextSource(from, { hub })).toEqual({ ...from, revision: COMMIT });
    expect(await pinTextSource({ path: 'a' }, { hub })).toEqual({ path: 'a' });
  });
});
