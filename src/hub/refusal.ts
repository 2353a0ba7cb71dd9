/**
 * What a refusing answer of the hub means, and what to do about it.
 * @module
 */
import { RequestError, RunError } from '../errors.js';
import type { Hub } from './hub.js';
import { DEFAULT_REVISION, type Repository } from './repository.js';
import { GivenUpError, TransientError } from './retries.js';
import type { Answer } from './send.js';

/** There is no such repository, as far as the hub tells; what was meant may be no repository at all. */
export class UnknownRepositoryError extends RequestError {}

/** The hub gave no answer about a repository, so nobody knows whether there is one of that name. */
export class UnansweredError extends GivenUpError {}

/** Timeout, too many requests, and failures of the server that pass. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * The error of an answer that isn't a success: TransientError where trying again may help, RequestError where the request has
 * to change (UnknownRepositoryError where its name has to), else RunError.
 * @param path of the file that was asked for, if one was
 */
export function refusal(hub: Hub, repository: Repository, answer: Answer, path?: string): Error {
  const { status, elsewhere } = answer;
  const what = `${repository.type} ${repository.id}`;
  // Addresses of the storage are signed for some time; the hub gives a new one.
  if (TRANSIENT.has(status) || (elsewhere && (status === 401 || status === 403)))
    return new TransientError(
      `the server${elsewhere ? ' that the hub sends to' : ''} answered ${status}`,
      retryAfter(answer.headers),
    );
  if (elsewhere) return new RunError(`${path ?? what}: the server that the hub sends to answered ${status}`);
  const page = `${hub.endpoint}/${repository.type === 'dataset' ? 'datasets/' : ''}${repository.id}`;
  const code = answer.hubHeaders.get('x-error-code');
  const token = 'set HF_TOKEN to a token of an account that may read it';
  if (code === 'GatedRepo') {
    const accept = `accept its terms on ${page}`;
    return new RequestError(
      hub.hasToken()
        ? `${what} is gated (${status}): ${accept} with the account of your token, and wait for the approval where one is needed`
        : `${what} is gated (${status}): ${accept}, and ${token}`,
    );
  }
  if (code === 'RevisionNotFound')
    return new RequestError(
      `${what} has no revision ${repository.revision} (${status}); its branches and tags are on ${page}/tree/${DEFAULT_REVISION}`,
    );
  if (code === 'EntryNotFound')
    return new RequestError(`${what} has no file ${path ?? ''} at ${repository.revision} (${status})`);
  if (status === 401)
    return hub.hasToken()
      ? new RequestError(
          `${what}: the hub does not take the token (401); it may have expired: set HF_TOKEN to a new one from ${hub.endpoint}/settings/tokens`,
        )
      : new UnknownRepositoryError(
          `${what} is not on ${hub.endpoint}, or is private or gated (401); check the spelling, or ${token}`,
        );
  if (status === 403)
    return new RequestError(
      `${what} may not be read ${hub.hasToken() ? 'with your token' : 'without a token'} (403); ${hub.hasToken() ? 'give the token the permission to read it' : token}, and accept its terms on ${page} where it has some`,
    );
  if (status === 404)
    return new UnknownRepositoryError(
      `${what} is not on ${hub.endpoint} (404); check the spelling${hub.hasToken() ? '' : `, or, if it is private, ${token}`}`,
    );
  return new RunError(`${what}: ${hub.endpoint} answered ${status}`);
}

/** Whole seconds; the form with a date is not used by the hub. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
