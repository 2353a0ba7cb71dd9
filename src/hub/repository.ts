/**
 * Names of repositories on the hub.
 * @module
 */

import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';

/** What a repository holds. */
export type RepositoryType = 'model' | 'dataset';

/** A repository at a revision. */
export interface Repository {
  readonly type: RepositoryType;
  /** `org/name` */
  readonly id: string;
  /** A branch, a tag, a pull request (`refs/pr/1`) or a commit. */
  readonly revision: string;
}

/** The branch that is meant when none is named. */
export const DEFAULT_REVISION = 'main';

/** What the hub and its Python library allow, so that `--` in a folder of the cache always stands for the slash. */
const NAME = /^(?!.*(?:--|\.\.))(?!.*\.git$)[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;
const REVISION_PART = /^(?!\.{1,2}$)[\w.-]{1,255}$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a revision is the full hash of a commit, whose content never changes. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** Whether a text is `org/name`, as the hub allows it. */
export function isRepositoryId(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 2 && parts.every((part) => NAME.test(part));
}

/** Whether a text may be a branch, a tag or a commit; all of its parts can be folders' names. */
export function isRevision(text: string): boolean {
  return text.split('/').every((part) => REVISION_PART.test(part));
}

/**
 * Takes `org/name[@revision]` apart.
 * @throws RequestError when it has another form, or a part that can't be a folder's name
 */
export function parseRepository(text: string, type: RepositoryType = 'model'): Repository {
  const [id = '', revision = DEFAULT_REVISION, ...more] = text.split('@');
  if (more.length > 0 || !isRepositoryId(id))
    throw new RequestError(
      `${JSON.stringify(shortened(text))} is no name of a ${type} on the hub; expected org/name or org/name@revision`,
    );
  if (!isRevision(revision))
    throw new RequestError(
      `${JSON.stringify(shortened(revision))} is no revision of ${id}; expected a branch, a tag or a commit`,
    );
  return { type, id, revision };
}

/** For messages: `model org/name`, with the revision where one was named. */
export function describeRepository({ type, id, revision }: Repository): string {
  return `${type} ${id}${revision === DEFAULT_REVISION ? '' : `@${revision}`}`;
}
