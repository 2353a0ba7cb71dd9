/**
 * Which hub is asked, with which token, and where its cache lies: the settings of Python's `huggingface_hub`, read from the
 * same environment variables.
 * @see https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 * @module
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { RequestError } from '../errors.js';
import { version } from '../version.js';

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const MAX_TOKEN_BYTES = 10_000;

/** How long to wait for a server, in milliseconds. */
export interface Patience {
  /** Before the second attempt; doubled for each one after it. */
  readonly firstWait: number;
  /** For the next byte of an answer. */
  readonly stall: number;
}

export interface Hub {
  /** Absolute path of the folder with `models--org--name` and `datasets--org--name`. */
  readonly cache: string;
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Whether only the cache may be used. */
  readonly offline: boolean;
  /** Whether the hub's own server gets a token. */
  hasToken(): boolean;
  /**
   * The headers of a request. The token is among them only when `url` has the scheme, host and port of the endpoint, so
   * that no redirect takes it elsewhere; it is nowhere else to be had.
   */
  headers(url: URL): Record<string, string>;
  readonly patience: Patience;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param env `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE` and the
 *   older names of some
 * @throws RequestError when the endpoint is no address; later, from `headers`, when the token can't be sent
 */
export function hubFromEnvironment(env: Environment = process.env): Hub {
  const path = (name: string) => (env[name] ? expand(env[name], env) : undefined);
  const home =
    path('HF_HOME') ?? join(path('XDG_CACHE_HOME') ?? join(userFolder(env), '.cache'), 'huggingface');
  const cache = path('HF_HUB_CACHE') ?? path('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub');
  const endpoint = readEndpoint(env.HF_ENDPOINT || DEFAULT_ENDPOINT);
  const { origin } = new URL(endpoint);
  let known: { token: string | undefined } | undefined;
  const token = () => {
    known ??= { token: readToken(env, path('HF_TOKEN_PATH') ?? join(home, 'token')) };
    return known.token;
  };
  return {
    cache: resolve(cache),
    endpoint,
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    hasToken: () => token() !== undefined,
    headers: (url) => ({
      'user-agent': `secateur/${version}`,
      // Sizes and ranges are those of the file itself.
      'accept-encoding': 'identity',
      ...(url.origin === origin && token() !== undefined ? { authorization: `Bearer ${token()}` } : {}),
    }),
    patience: { firstWait: 500, stall: 30_000 },
  };
}

/** As `huggingface_hub` reads switches. */
function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase());
}

function userFolder(env: Environment): string {
  return env.HOME || homedir();
}

/** `~` and `$NAME` or `${NAME}` in a path, as Python's `expanduser` and `expandvars` replace them. */
function expand(path: string, env: Environment): string {
  return path
    .replace(/^~(?=\/|$)/, () => userFolder(env))
    .replace(
      /\$(?:(\w+)|\{(\w+)\})/g,
      (whole, bare?: string, braced?: string) => env[bare ?? braced ?? ''] ?? whole,
    );
}

/** Names neither user nor password, should the address have them. */
function readEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new RequestError(`HF_ENDPOINT is no http or https address; ${DEFAULT_ENDPOINT} is the hub's own`);
  if (url.username !== '' || url.password !== '')
    throw new RequestError('HF_ENDPOINT has a user or a password in it; give a token in HF_TOKEN instead');
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function readToken(env: Environment, path: string): string | undefined {
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const fromEnvironment = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  let text = fromEnvironment;
  if (text === undefined || text === '') {
    if (!existsSync(path)) return undefined;
    text = readSmallFile(path, MAX_TOKEN_BYTES).toString('utf8');
  }
  const token = text.replace(/[\r\n]/g, '').trim();
  // Checked here: the error of a header that can't be sent would quote it.
  if (!/^[\x21-\x7e]*$/.test(token))
    throw new RequestError(
      `the token in ${fromEnvironment ? 'HF_TOKEN' : path} has characters that no token has; copy it again`,
    );
  return token === '' ? undefined : token;
}
