/** What servers and connections do wrong, and what comes of it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RequestError, RunError } from '../../src/errors.js';
import { fetchModel } from '../../src/hub/fetch-model.js';
import type { Hub } from '../../src/hub/hub.js';
import type { RepositoryFile } from '../../src/hub/list-files.js';
import { parseRepository } from '../../src/hub/repository.js';
import { streamFile } from '../../src/hub/stream-file.js';
import {
  bytes,
  COMMIT,
  type Exchange,
  fakeHubs,
  gitSha1,
  ID,
  modelFiles,
  type Place,
  repository,
  sendContent,
  sha256,
  TOKEN,
} from './fake-hub.js';

const start = fakeHubs();
const files = modelFiles();
const weights = files['model.safetensors'] as Buffer;
const config = files['config.json'] as Buffer;

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers);
  response.end();
  return true;
}

/** Sends `length` bytes of what was asked for, and breaks the connection off. */
function cut({ request, response, content = Buffer.alloc(0) }: Exchange, length: number): true {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const ranged = request.headers.range !== undefined;
  response.writeHead(ranged ? 206 : 200, {
    'content-length': content.length - from,
    ...(ranged ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  response.write(content.subarray(from, from + length), () => setTimeout(() => response.destroy(), 20));
  return true;
}

const partialOf = ({ model }: Place, content = weights) =>
  join(model, 'blobs', `${sha256(content)}.incomplete`);

const impatient = (hub: Hub, stall: number): Hub => ({ ...hub, patience: { ...hub.patience, stall } });

function expectComplete({ snapshot }: Place): void {
  expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights)).toBe(true);
}

describe('a broken connection', () => {
  it('is taken up where it broke', async () => {
    const place = await start();
    place.server.intercept = (exchange) =>
      exchange.server === 'storage' && exchange.count < 2 && cut(exchange, 70_000);
    await fetchModel(place.hub, ID);
    expectComplete(place);
    const ranges = place.server.requests
      .filter(({ server }) => server === 'storage')
      .map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=70000-', 'bytes=140000-']);
  });

  it('that breaks again and again is given up, and a later call goes on from there', async () => {
    const place = await start();
    place.server.intercept = (exchange) =>
      exchange.server === 'storage' && cut(exchange, exchange.count === 0 ? 70_000 : 0);
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      /org\/tiny\/model\.safetensors: .* broke off .*after 5 attempts; the same command goes on/,
    );
    expect(readFileSync(partialOf(place)).equals(weights.subarray(0, 70_000))).toBe(true);
    expect(existsSync(join(place.model, 'refs'))).toBe(false);
    place.server.intercept = undefined;
    place.server.requests.length = 0;
    const { downloadedBytes, downloadedFiles } = await fetchModel(place.hub, ID);
    expect([downloadedFiles, downloadedBytes]).toEqual([1, weights.length - 70_000]);
    expect(place.server.requests.filter(({ server }) => server === 'storage')).toMatchObject([
      { range: 'bytes=70000-' },
    ]);
    expectComplete(place);
    expect(existsSync(partialOf(place))).toBe(false);
  });

  it('to a server that knows no ranges begins at the start, and what is known is passed over', async () => {
    const place = await start();
    place.server.intercept = (exchange) => {
      if (exchange.server !== 'storage') return false;
      delete exchange.request.headers.range;
      if (exchange.count === 0) return cut(exchange, 70_000);
      sendContent(exchange.request, exchange.response, weights, {});
      return true;
    };
    await fetchModel(place.hub, ID);
    expectComplete(place);
  });

  it('that stalls is one', async () => {
    const place = await start();
    place.server.intercept = ({ server, response, count }) => {
      if (server !== 'storage' || count > 0) return false;
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 70_000));
      return true;
    };
    await fetchModel(impatient(place.hub, 300), ID);
    expectComplete(place);
  });

  it('does not count in a row with others when a megabyte came in between', async () => {
    const content = bytes(12 << 20);
    const place = await start([repository({ ...files, 'model.safetensors': content })]);
    place.server.intercept = (exchange) =>
      exchange.server === 'storage' && exchange.count < 8 && cut(exchange, 1_300_000);
    await fetchModel(place.hub, ID);
    expect(readFileSync(join(place.snapshot, 'model.safetensors')).equals(content)).toBe(true);
  });

  it('to no server at all is a failed run', async () => {
    const place = await start();
    place.server.close();
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      /cannot be reached or broke off \(ECONN\w+\), after 5 attempts$/,
    );
  });

  it('before anything came leaves nothing to go on from, and is not said to', async () => {
    const place = await start();
    place.server.intercept = ({ path, response }) => path.includes('/resolve/') && !!response.destroy();
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(/broke off .*after 5 attempts$/);
    place.server.intercept = (exchange) => exchange.server === 'storage' && cut(exchange, 0);
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(/after 5 attempts; the same command goes on/);
  });
});

describe('what an earlier download left', () => {
  it.each([
    ['of another content', bytes(70_000, 9), 'another hash'],
    ['of the full size but another content', bytes(weights.length, 9), 'another hash'],
  ])('%s fails by name and is removed', async (_, content, message) => {
    const place = await start();
    mkdirSync(join(place.model, 'blobs'), { recursive: true });
    writeFileSync(partialOf(place), content);
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      new RegExp(`org/tiny/model.safetensors: .*${message}`),
    );
    expect(existsSync(partialOf(place))).toBe(false);
    await fetchModel(place.hub, ID);
    expectComplete(place);
  });

  it('that is too long is begun anew, and one that is complete is not asked for', async () => {
    const place = await start();
    mkdirSync(join(place.model, 'blobs'), { recursive: true });
    writeFileSync(partialOf(place), bytes(weights.length + 1));
    await fetchModel(place.hub, ID);
    expectComplete(place);

    const other = await start();
    mkdirSync(join(other.model, 'blobs'), { recursive: true });
    writeFileSync(partialOf(other), weights);
    await fetchModel(other.hub, ID);
    expectComplete(other);
    expect(other.server.requests.filter(({ server }) => server === 'storage')).toEqual([]);
  });
});

describe('wrong content', () => {
  it.each<[string, (exchange: Exchange) => void, string]>([
    [
      'of another hash',
      ({ request, response }) => sendContent(request, response, bytes(weights.length, 9), {}),
      'another hash than the hub',
    ],
    [
      'longer than announced',
      ({ response }) => {
        response.writeHead(200);
        response.end(Buffer.concat([weights, weights]));
      },
      `sends more than the ${weights.length} bytes`,
    ],
  ])('%s fails by name, and nothing is left of it', async (_, act, message) => {
    const place = await start();
    place.server.intercept = (exchange) => {
      if (exchange.server === 'storage') act(exchange);
      return exchange.server === 'storage';
    };
    const failed = fetchModel(place.hub, ID);
    await expect(failed).rejects.toThrow(RunError);
    await expect(failed).rejects.toThrow(`org/tiny/model.safetensors: `);
    await expect(failed).rejects.toThrow(message);
    expect(
      readdirSync(join(place.model, 'blobs')).filter((name) => name.startsWith(sha256(weights))),
    ).toEqual([]);
  });

  it('of a small file is noticed by its hash in git', async () => {
    const place = await start();
    const other = Buffer.from(config.toString().replace('tiny', 'tidy'));
    place.server.intercept = ({ path, request, response }) => {
      if (!path.endsWith(`/resolve/${COMMIT}/config.json`)) return false;
      sendContent(request, response, other, {});
      return true;
    };
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      'org/tiny/config.json: what was downloaded has another hash',
    );
    expect(existsSync(join(place.model, 'blobs', gitSha1(config)))).toBe(false);
  });

  it.each([
    ['x-linked-etag', '"'.concat('0'.repeat(64), '"'), 'another hash'],
    ['x-linked-size', '17', 'another size'],
    ['x-repo-commit', '0'.repeat(40), 'another commit'],
  ])('is seen from the header %s, before anything is downloaded', async (header, value, message) => {
    const place = await start();
    place.server.intercept = ({ server, path, response }) => {
      if (server !== 'hub' || !path.endsWith('.safetensors')) return false;
      const location = `${place.server.storageUrl}/blobs/${sha256(weights)}?Signature=signed`;
      return answer(response, 302, { location, [header]: value });
    };
    mkdirSync(join(place.model, 'blobs'), { recursive: true });
    writeFileSync(partialOf(place), weights.subarray(0, 70_000));
    const failed = fetchModel(place.hub, ID);
    await expect(failed).rejects.toThrow(`model.safetensors: the server has ${message}`);
    await expect(failed).rejects.toThrow(RunError);
    // What an earlier download left may well be right.
    expect(readFileSync(partialOf(place))).toHaveLength(70_000);
  });

  it('is seen from the announced size', async () => {
    const place = await start();
    place.server.intercept = ({ server, request, response }) => {
      if (server !== 'storage') return false;
      sendContent(request, response, weights.subarray(1), {});
      return true;
    };
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      `has ${weights.length - 1} bytes where the hub's listing says ${weights.length}`,
    );
  });

  it.each([
    ['a listing that is no JSON', '[{', 'not valid JSON'],
    ['a listing of something else', '{"a": 1}', 'is malformed'],
    [
      'a size below zero',
      JSON.stringify([{ type: 'file', path: 'a', oid: '0'.repeat(40), size: -1 }]),
      '0.size',
    ],
    [
      'a hash that is a path',
      JSON.stringify([{ type: 'file', path: 'a', oid: '../../../etc/passwd', size: 1 }]),
      '0.oid',
    ],
    ['more nesting than any', '['.repeat(1000), 'nested'],
    ['nothing', '', 'answered nothing, after 5 attempts'],
  ])('%s is refused', async (_, body, message) => {
    const place = await start();
    place.server.intercept = ({ path, response }) => {
      if (!path.includes('/tree/')) return false;
      response.end(body);
      return true;
    };
    const failed = fetchModel(place.hub, ID);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(RunError);
    expect(existsSync(place.cache)).toBe(false);
  });

  it('of a listing whose pages do not end is cut', async () => {
    const place = await start();
    place.server.intercept = ({ path, url, response }) => {
      if (!path.includes('/tree/')) return false;
      response.setHeader('link', `<${url.pathname}${url.search}>; rel="next"`);
      response.end('[]');
      return true;
    };
    await expect(fetchModel(place.hub, ID)).rejects.toThrow(
      new RunError("the hub's listing of model org/tiny has more than 1000 pages"),
    );
  });

  it('of a listing that does not end is cut', async () => {
    const place = await start();
    place.server.intercept = ({ path, response }) => {
      if (!path.includes('/tree/')) return false;
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 0x20)));
      };
      response.on('drain', more);
      more();
      return true;
    };
    await expect(fetchModel(place.hub, ID)).rejects.toThrow('is longer than 32000000 bytes');
  });

  it('never becomes a path: files whose names lead elsewhere are left out', async () => {
    const hostile = [
      '../../escape.json',
      '/etc/escape.json',
      'a\\..\\escape.json',
      'a//escape.json',
      './escape.json',
      'a/../escape.json',
      'escape%2e.json',
      'esc\u0000ape.json',
    ];
    const place = await start([
      repository({ ...files, ...Object.fromEntries(hostile.map((name) => [name, Buffer.from('{}')])) }),
    ]);
    const { notes } = await fetchModel(place.hub, ID);
    for (const name of hostile)
      expect(notes.some((note) => note.startsWith(JSON.stringify(name)))).toBe(true);
    const names = readdirSync(join(place.cache, '..'), { recursive: true }).map(String);
    expect(names.filter((name) => name.includes('escape'))).toEqual([]);
    expect(place.server.requests.filter(({ path }) => path.includes('escape'))).toEqual([]);
  });
});

describe('an answer', () => {
  it.each([500, 502, 503, 504, 408, 429])('%i is tried again', async (status) => {
    const place = await start();
    place.server.intercept = ({ count, response }) => count === 0 && answer(response, status);
    await fetchModel(place.hub, ID);
    expectComplete(place);
  });

  it('429 with Retry-After is waited for as long as it says', async () => {
    const place = await start();
    let asked = 0;
    place.server.intercept = ({ path, count, response }) => {
      if (!path.includes('/revision/')) return false;
      if (count === 0) asked = performance.now();
      else expect(performance.now() - asked).toBeGreaterThan(950);
      return count === 0 && answer(response, 429, { 'retry-after': '1' });
    };
    await fetchModel(place.hub, ID);
    expectComplete(place);
  });

  it('that asks for a longer wait than anybody has is passed on', async () => {
    const place = await start();
    place.server.intercept = ({ response }) => answer(response, 429, { 'retry-after': '3600' });
    await expect(fetchModel(place.hub, ID)).rejects.toThrow('answered 429, and asks to wait for 3600 s');
    expect(place.server.requests).toHaveLength(1);
  });

  it('500 every time is given up', async () => {
    const place = await start();
    place.server.intercept = ({ response }) => answer(response, 500);
    await expect(fetchModel(place.hub, ID)).rejects.toThrow('answered 500, after 5 attempts');
  });

  it('403 of the storage is asked for anew at the hub, since its addresses are signed for some time', async () => {
    const place = await start();
    place.server.intercept = ({ server, count, response }) =>
      server === 'storage' && count === 0 && answer(response, 403);
    await fetchModel(place.hub, ID);
    expectComplete(place);
  });

  it.each<[string, number, string, string[]]>([
    [
      'without a token',
      401,
      'RepoNotFound',
      ['is not on http', 'private or gated', 'check the spelling', 'HF_TOKEN'],
    ],
    ['without a token', 401, 'GatedRepo', ['is gated', 'accept its terms on', '/org/tiny', 'HF_TOKEN']],
    ['without a token', 404, 'RepoNotFound', ['is not on http', 'check the spelling', 'HF_TOKEN']],
    ['without a token', 404, 'RevisionNotFound', ['has no revision main']],
    ['without a token', 403, '', ['may not be read without a token', 'HF_TOKEN']],
    ['with a token', 401, '', ['does not take the token', 'HF_TOKEN', '/settings/tokens']],
    ['with a token', 403, 'GatedRepo', ['accept its terms on', 'with the account of your token']],
    ['with a token', 403, '', ['may not be read with your token', 'permission']],
    ['with a token', 404, 'RepoNotFound', ['is not on http', 'check the spelling']],
  ])('%s %i %s says what to do', async (whether, status, code, words) => {
    const place = await start();
    const hub = whether === 'with a token' ? place.as({ HF_TOKEN: TOKEN }) : place.hub;
    place.server.intercept = ({ response }) =>
      answer(response, status, code === '' ? {} : { 'x-error-code': code });
    const failure = await fetchModel(hub, ID).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestError);
    for (const word of words) expect((failure as Error).message).toContain(word);
    expect(place.server.requests).toHaveLength(1);
  });
});

describe('redirects', () => {
  it.each([
    [
      'in a circle',
      (place: Place) => `${place.server.url}/org/tiny/resolve/${COMMIT}/model.safetensors`,
      'more than 10 times',
    ],
    ['to another scheme', () => 'file:///etc/passwd', 'not followed'],
    ['to an address with a password', () => 'http://user:secret@127.0.0.1/', 'not followed'],
    ['to nothing', () => 'http://', 'not followed'],
  ])('%s end', async (_, location, message) => {
    const place = await start();
    place.server.intercept = ({ path, response }) =>
      path.endsWith('model.safetensors') && answer(response, 302, { location: location(place) });
    const failure = await fetchModel(place.hub, ID).catch((error: unknown) => error as Error);
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message).not.toContain('secret');
  });

  it('to a new name of the repository are followed with the token', async () => {
    const place = await start([repository(files, { id: 'org/newer', token: TOKEN })]);
    place.server.intercept = ({ url, path, response }) =>
      path.includes('org/tiny/') &&
      answer(response, 307, { location: `${url.pathname}${url.search}`.replace('org/tiny', 'org/newer') });
    await fetchModel(place.as({ HF_TOKEN: TOKEN }), ID);
    expectComplete(place);
  });

  it('of a listing to another host are not followed', async () => {
    const place = await start();
    place.server.intercept = ({ path, response }) => {
      if (!path.includes('/tree/')) return false;
      response.setHeader('link', `<${place.server.storageUrl}/next>; rel="next"`);
      response.end('[]');
      return true;
    };
    await expect(fetchModel(place.hub, ID)).rejects.toThrow('which is not followed');
  });
});

it('an abort keeps what is there', async () => {
  const place = await start();
  const controller = new AbortController();
  const stop = new Error('stop');
  place.server.intercept = ({ server, response }) => {
    if (server !== 'storage') return false;
    response.writeHead(200, { 'content-length': weights.length });
    response.write(weights.subarray(0, 70_000));
    return true;
  };
  await expect(
    fetchModel(place.hub, ID, {
      signal: controller.signal,
      onProgress: ({ received }) => received >= 70_000 && controller.abort(stop),
    }),
  ).rejects.toBe(stop);
  expect(readFileSync(partialOf(place)).equals(weights.subarray(0, 70_000))).toBe(true);
  place.server.intercept = undefined;
  expect(await fetchModel(place.hub, ID)).toMatchObject({ downloadedBytes: weights.length - 70_000 });
});

it('a file can be streamed from any place, without the cache', async () => {
  const place = await start([
    { type: 'dataset', id: 'org/texts', refs: { main: COMMIT }, files: { 'data/part one.bin': weights } },
  ]);
  place.server.intercept = (exchange) =>
    exchange.server === 'storage' && exchange.count === 0 && cut(exchange, 5_000);
  const file: RepositoryFile = {
    path: 'data/part one.bin',
    size: weights.length,
    hash: { algorithm: 'sha256', digest: sha256(weights) },
  };
  const remote = { repository: parseRepository('org/texts', 'dataset'), commit: COMMIT, file };
  const pieces: Uint8Array[] = [];
  for await (const piece of streamFile(impatient(place.hub, 1000), remote, { from: 1000 })) {
    // Whoever reads may take longer than a server may.
    if (pieces.length === 2) await new Promise((resolve) => setTimeout(resolve, 1300));
    pieces.push(piece);
  }
  expect(Buffer.concat(pieces).equals(weights.subarray(1000))).toBe(true);
  expect(
    place.server.requests.filter(({ server }) => server === 'storage').map(({ range }) => range),
  ).toEqual(['bytes=1000-', 'bytes=6000-']);
  expect(place.server.requests[0]?.path).toBe(`/datasets/org/texts/resolve/${COMMIT}/data/part one.bin`);
  expect(existsSync(place.cache)).toBe(false);
});
