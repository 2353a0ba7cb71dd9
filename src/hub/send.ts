/**
 * One request to the hub, with the redirects that it leads to.
 * @module
 */
import { RequestError, RunError } from '../errors.js';
import type { Hub } from './hub.js';
import { TransientError } from './retries.js';

/** The hub itself needs two at most: a repository's new name, and the storage. */
const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface SendOptions {
  /** First byte wanted (0 for the whole). */
  readonly from?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The answer at the end of the redirects. Its body has to be read to the end or closed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Of the last answer that the hub's own server gave: other servers' headers say nothing of the repository. */
  readonly hubHeaders: Headers;
  /** Whether another server gave it. */
  readonly elsewhere: boolean;
  /** The body in pieces. @throws TransientError when the connection breaks or stalls, the signal's reason when it is aborted */
  body(): AsyncGenerator<Uint8Array, void>;
  /** Gives the connection back. Calling it again does nothing. */
  close(): void;
}

/**
 * Sends a GET. Whatever status it ends with is returned.
 * @throws TransientError when no answer comes; RunError for redirects that lead nowhere; RequestError when the hub is not to be
 *   asked; the signal's reason when it is aborted
 */
export async function send(hub: Hub, address: string, options: SendOptions = {}): Promise<Answer> {
  if (hub.offline)
    throw new RequestError('HF_HUB_OFFLINE is set, so the hub is not asked; take it out to download');
  const { from = 0, signal } = options;
  const hubOrigin = new URL(hub.endpoint).origin;
  const watch = new Watch(hub.patience.stall, signal);
  let url = new URL(address);
  let hubHeaders = new Headers();
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await get(hub, url, from, watch);
      const elsewhere = url.origin !== hubOrigin;
      if (!elsewhere) hubHeaders = response.headers;
      const location = response.headers.get('location');
      if (!REDIRECTS.has(response.status) || location === null) {
        const { status, headers } = response;
        return {
          status,
          headers,
          hubHeaders,
          elsewhere,
          body: () => pieces(response, watch),
          close: () => watch.end(),
        };
      }
      await response.body?.cancel();
      url = next(url, location);
    }
    throw new RunError(`${hubOrigin} redirects more than ${MAX_REDIRECTS} times`);
  } catch (error) {
    watch.end();
    throw error;
  }
}

async function get(hub: Hub, url: URL, from: number, watch: Watch): Promise<Response> {
  const headers = { ...hub.headers(url), ...(from > 0 ? { range: `bytes=${from}-` } : {}) };
  return await watch.over(url, () => fetch(url.href, { headers, redirect: 'manual', signal: watch.signal }));
}

/** Where a redirect leads. Its address may be signed, so messages name the host only. */
function next(url: URL, location: string): URL {
  const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  const allowed = url.protocol === 'https:' ? ['https:'] : ['http:', 'https:'];
  if (target === undefined || !allowed.includes(target.protocol) || target.username || target.password)
    throw new RunError(`${url.host} redirects to an address that is not followed`);
  return target;
}

async function* pieces(response: Response, watch: Watch): AsyncGenerator<Uint8Array, void> {
  const reader = response.body?.getReader();
  try {
    while (reader) {
      const piece = await watch.over(new URL(response.url), () => reader.read());
      if (piece.done) return;
      yield piece.value;
    }
  } finally {
    watch.end();
  }
}

/** Ends a connection that the caller doesn't want any more, or on which nothing comes when it is waited for. */
class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #milliseconds: number;
  readonly #abort = () => this.#controller.abort(this.#outer?.reason);

  constructor(milliseconds: number, outer: AbortSignal | undefined) {
    outer?.throwIfAborted();
    this.#milliseconds = milliseconds;
    this.#outer = outer;
    outer?.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for the server; between two such waits the caller may take its time. */
  async over<T>(url: URL, wait: () => Promise<T>): Promise<T> {
    const seconds = this.#milliseconds / 1000;
    const timer = setTimeout(
      () => this.#controller.abort(new TransientError(`nothing came for ${seconds} s`)),
      this.#milliseconds,
    );
    try {
      return await wait();
    } catch (error) {
      throw this.#explain(error, url);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection where it is still open. */
  end(): void {
    this.#outer?.removeEventListener('abort', this.#abort);
    this.#controller.abort();
  }

  /** What a failed `fetch` or reading is to be thrown as; says nothing of the request's headers or path. */
  #explain(error: unknown, url: URL): unknown {
    this.#outer?.throwIfAborted();
    const { reason } = this.signal;
    if (reason instanceof TransientError) return new TransientError(`${url.host}: ${reason.message}`);
    const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    return new TransientError(`${url.host} cannot be reached or broke off (${code ?? message})`);
  }
}
