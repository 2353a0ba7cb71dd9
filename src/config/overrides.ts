/**
 * `--set key.path=value`: values that replace those of the run file.
 * @module
 */
import { RequestError } from '../errors.js';
import { found } from './describe-issue.js';
import { YamlSource } from './yaml-source.js';

/** One `--set`. A value of null takes the key out. */
export interface Override {
  /** The argument as messages show it: what it belongs to, and its first line, cut when long. */
  readonly text: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** One that was applied. */
export interface AppliedOverride extends Override {
  /** Whether it took an entry out of a list, so that those behind moved up. */
  readonly tookEntry: boolean;
}

/** Characters of an argument that messages show at most. */
const shownCharacters = 120;

function shownArgument(text: string): string {
  const line = (text.split('\n', 1)[0] ?? '').slice(0, shownCharacters).replace(/\p{Control}/gu, '\ufffd');
  return line.length < text.length ? `${line}…` : line;
}

/**
 * Reads `key.path=value`; list entries are named by their index from 0 (`prune.rules.0.sparsity=0.4`), and the value
 * is a YAML scalar or flow collection. Nothing after `=`, or `null`, takes the key out.
 *
 * @param of what messages say before the argument
 * @throws RequestError naming the argument
 */
export function parseOverride(text: string, of = '--set'): Override {
  const shown = `${of} ${shownArgument(text)}`;
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(0, equals)).split('.');
  if (equals < 0 || path.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) {
    throw new RequestError(`${shown}: expected key.path=value, for example prune.sparsity=0.5`);
  }
  try {
    return { text: shown, path, value: new YamlSource(of, text.slice(equals + 1)).value() };
  } catch (cause) {
    if (!(cause instanceof RequestError)) throw cause;
    throw new RequestError(`${shown}: what follows = is not a YAML value; put text in quotes`, {
      cause,
    });
  }
}

/**
 * Puts the override's value into `root` (which is changed); maps on the way are made where they lack. What lies below
 * `root` stays as it is, since other places may share it, as those of a YAML alias do: maps and lists on the way are copied.
 * @throws RequestError when the path leads through something that isn't a map or list
 */
export function applyOverride(root: Record<string, unknown>, override: Override): AppliedOverride {
  const fail = (message: string) => new RequestError(`${override.text}: ${message}`);
  let place: Record<string, unknown> = root;
  for (const [depth, part] of override.path.entries()) {
    if (Array.isArray(place) && !(/^(0|[1-9]\d*)$/.test(part) && Number(part) < place.length)) {
      const name = override.path.slice(0, depth).join('.');
      throw fail(`${name} is a list of ${place.length}; ${part} is none of its entries, which count from 0`);
    }
    if (depth === override.path.length - 1) {
      if (override.value !== null) define(place, part, override.value);
      else if (Array.isArray(place)) place.splice(Number(part), 1);
      else delete place[part];
      return { ...override, tookEntry: override.value === null && Array.isArray(place) };
    }
    if (!Object.hasOwn(place, part) || place[part] === null) {
      if (override.value === null) break;
      define(place, part, {});
    }
    const next = place[part];
    if (typeof next !== 'object' || next === null) {
      throw fail(`${override.path.slice(0, depth + 1).join('.')} is ${found(next)}, not a map`);
    }
    const copy = Array.isArray(next) ? [...next] : { ...next };
    define(place, part, copy);
    place = copy as Record<string, unknown>;
  }
  return { ...override, tookEntry: false };
}

/** Sets an own property whatever its name, `__proto__` too, which the schema then refuses. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
