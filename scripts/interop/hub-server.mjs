// A hub for tests: what huggingface.co answers about repositories and their files, from memory, with large files on a second
// server as there.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Files that are kept like Git LFS keeps them. */
const LARGE = /\.(safetensors|bin)$/;

export const sha256 = (content) => createHash('sha256').update(content).digest('hex');
export const gitSha1 = (content) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/**
 * Starts the two servers.
 * @param repositories a list of {type: 'model' | 'dataset', id, refs: {main: commit}, files: {path: Buffer}, token?}; with
 *   `token`, only who sends it may read
 * @param pageSize entries of a page of a listing
 * @returns {url, storageUrl, requests, intercept, close}. `requests` has {server, path, authorization, range} of each;
 *   `intercept` may be set to a function that gets {server, path, request, response, content, count} of every request, `count`
 *   being how often this path was asked for before, and returns true when it has answered
 */
export async function startHub({ repositories, pageSize = 1000 }) {
  const requests = [];
  const counts = new Map();
  const state = { requests, intercept: undefined };
  const contents = new Map();
  for (const { files } of repositories)
    for (const content of Object.values(files)) contents.set(sha256(content), content);

  const serve = (server, answer) =>
    createServer((request, response) => {
      const url = new URL(request.url, 'http://localhost');
      const path = decodeURIComponent(url.pathname);
      const { authorization, range } = request.headers;
      const key = `${server} ${url.pathname}${url.search}`;
      const count = counts.get(key) ?? 0;
      counts.set(key, count + 1);
      requests.push({ server, method: request.method, path, query: url.search, authorization, range });
      const exchange = { server, path, url, request, response, count };
      if (server === 'storage') exchange.content = contents.get(path.split('/').pop());
      if (state.intercept?.(exchange)) return;
      answer(exchange);
    });

  const storage = serve('storage', ({ content, url, request, response }) => {
    if (!content || url.searchParams.get('Signature') !== 'signed') return refuse(response, 403);
    sendContent(request, response, content, { etag: `"${createHash('md5').update(content).digest('hex')}"` });
  });
  const hub = serve('hub', ({ url, request, response }) => {
    const found = find(repositories, url.pathname);
    if (!found) return refuse(response, request.headers.authorization ? 404 : 401, 'RepoNotFound');
    const { repository, rest } = found;
    if (repository.token && request.headers.authorization !== `Bearer ${repository.token}`)
      return refuse(response, 401, 'RepoNotFound');
    if (repository.gated) return refuse(response, 403, 'GatedRepo');
    const [action, encoded, ...parts] = rest;
    const revision = decodeURIComponent(encoded ?? '');
    const commit = Object.values(repository.refs).includes(revision) ? revision : repository.refs[revision];
    if (!commit) return refuse(response, 404, 'RevisionNotFound');
    response.setHeader('x-repo-commit', commit);
    if (action === 'revision') return sendJson(response, { id: repository.id, sha: commit, siblings: [] });
    if (action === 'tree')
      return sendTree(repository, url, parts.map(decodeURIComponent).join('/'), response);
    const name = parts.map(decodeURIComponent).join('/');
    const content = repository.files[name];
    if (content === undefined) return refuse(response, 404, 'EntryNotFound');
    if (!LARGE.test(name)) return sendContent(request, response, content, { etag: `"${gitSha1(content)}"` });
    response.writeHead(302, {
      location: `${state.storageUrl}/blobs/${sha256(content)}?Signature=signed`,
      'x-linked-etag': `"${sha256(content)}"`,
      'x-linked-size': content.length,
    });
    response.end();
  });

  function sendTree({ files: all }, url, folder, response) {
    const below = folder === '' ? '' : `${folder}/`;
    const files = Object.fromEntries(Object.entries(all).filter(([path]) => path.startsWith(below)));
    if (folder !== '' && Object.keys(files).length === 0) return refuse(response, 404, 'EntryNotFound');
    const folders = new Set(
      Object.keys(files).flatMap((path) =>
        path
          .split('/')
          .slice(0, -1)
          .map((_, i, all) => all.slice(0, i + 1).join('/')),
      ),
    );
    const entries = [
      ...[...folders].map((path) => ({ type: 'directory', path, oid: '0'.repeat(40), size: 0 })),
      ...Object.entries(files).map(([path, content]) => {
        const entry = { type: 'file', path, size: content.length, oid: gitSha1(content) };
        if (!LARGE.test(path)) return entry;
        const pointer = Buffer.from(
          `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(content)}\nsize ${content.length}\n`,
        );
        return {
          ...entry,
          oid: gitSha1(pointer),
          lfs: { oid: sha256(content), size: content.length, pointerSize: pointer.length },
        };
      }),
    ];
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const end = start + pageSize;
    if (end < entries.length) {
      url.searchParams.set('cursor', String(end));
      response.setHeader('link', `<${state.url}${url.pathname}${url.search}>; rel="next"`);
    }
    sendJson(response, entries.slice(start, end));
  }

  const listen = async (server, host) => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://${host}:${server.address().port}`;
  };
  // Two names, as Python's library tells servers apart by these alone.
  state.storageUrl = await listen(storage, 'localhost');
  state.url = await listen(hub, '127.0.0.1');
  state.close = () => {
    for (const server of [hub, storage]) {
      server.closeAllConnections();
      server.close();
    }
  };
  return state;
}

/** The repository that a path is about, and the parts behind its name, as they are encoded. */
function find(repositories, path) {
  for (const repository of repositories) {
    const plural = `${repository.type}s`;
    for (const prefix of [
      `/api/${plural}/${repository.id}/`,
      `/${repository.type === 'model' ? '' : `${plural}/`}${repository.id}/resolve/`,
    ]) {
      if (!path.startsWith(prefix)) continue;
      const rest = path.slice(prefix.length).split('/');
      return { repository, rest: prefix.startsWith('/api') ? rest : ['resolve', ...rest] };
    }
  }
  return undefined;
}

function refuse(response, status, code) {
  response.writeHead(status, code ? { 'x-error-code': code, 'x-error-message': code } : {});
  response.end(JSON.stringify({ error: code ?? status }));
}

function sendJson(response, value) {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

/** The content, or the range of it that is asked for. */
export function sendContent(request, response, content, headers) {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const part = content.subarray(Number(from ?? 0));
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    'content-length': part.length,
    ...(from === undefined
      ? {}
      : { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
  });
  response.end(request.method === 'HEAD' ? undefined : part);
}
