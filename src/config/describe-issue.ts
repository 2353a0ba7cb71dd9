/**
 * Zod issues in words: what was found, what is allowed, the nearest valid spelling.
 * @module
 */
import type { z } from 'zod';
import { nearest } from './nearest.js';

/** One thing wrong with a run file. `at` says whether the key or its value is to blame. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly at: 'key' | 'value';
  readonly message: string;
  /** For keys that exclude each other: all that are given, of the map that `path` leads into. */
  readonly either?: readonly string[];
}

/** A value as an error message shows it. */
export function found(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

/** `; did you mean "x"?`, or nothing when no candidate is near. */
export function didYouMean(word: unknown, candidates: readonly string[]): string {
  const suggestion = typeof word === 'string' ? nearest(word, candidates) : undefined;
  return suggestion === undefined ? '' : `; did you mean ${JSON.stringify(suggestion)}?`;
}

function oneOf(values: readonly unknown[], value: unknown): string {
  const names = values.map(String);
  const list = names.length === 1 ? names[0] : `one of ${names.join(', ')}`;
  return `expected ${list}, found ${found(value)}${didYouMean(value, names)}`;
}

function keysOf(schema: unknown): string[] {
  const shape = (schema as { _zod?: { def?: { shape?: object } } })?._zod?.def?.shape;
  return Object.keys(shape ?? {});
}

function sizeIssue(issue: z.core.$ZodRawIssue): string {
  const small = issue.code === 'too_small';
  const limit = small ? issue.minimum : issue.maximum;
  const bound = `${issue.inclusive === false ? (small ? 'more than' : 'less than') : small ? 'at least' : 'at most'} ${limit}`;
  const plural = limit === 1 ? '' : 's';
  if (issue.origin === 'string') return `expected ${bound} character${plural}, found ${found(issue.input)}`;
  if (issue.origin === 'array') {
    return `expected ${bound} list item${plural}, found ${(issue.input as unknown[]).length}`;
  }
  return `expected ${bound}, found ${found(issue.input)}`;
}

/**
 * The error map of a run schema: give it to `safeParse(value, { error: describeIssue })`. For unknown keys the
 * message has one line a key, in the order of the issue's `keys`.
 */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type': {
      const expected = typeNames[issue.expected as string] ?? String(issue.expected);
      if (issue.input === undefined) return `missing; expected ${expected}`;
      const quote = expected === 'text' && typeof issue.input !== 'object' ? ' (put it in quotes)' : '';
      return `expected ${expected}, found ${found(issue.input)}${quote}`;
    }
    case 'unrecognized_keys': {
      const allowed = keysOf(issue.inst);
      const list = allowed.length === 0 ? 'no keys are allowed here' : `allowed here: ${allowed.join(', ')}`;
      return (issue.keys as string[])
        .map((key) => `unknown key ${JSON.stringify(key)}${didYouMean(key, allowed) || ';'} ${list}`)
        .join('\n');
    }
    case 'invalid_value':
      return oneOf(issue.values as unknown[], issue.input);
    case 'invalid_union': {
      if (typeof issue.discriminator !== 'string')
        return `found ${found(issue.input)}, which is none of the allowed forms`;
      const values = issue.options as unknown[];
      const input = issue.input as Record<string, unknown>;
      return Object.hasOwn(input, issue.discriminator)
        ? oneOf(values, input[issue.discriminator])
        : `missing; expected one of ${values.map(String).join(', ')}`;
    }
    case 'too_small':
    case 'too_big':
      return sizeIssue(issue);
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}, found ${found(issue.input)}`;
    case 'invalid_format':
      return `expected text like ${issue.pattern ?? issue.format}, found ${found(issue.input)}`;
    default:
      return issue.message ?? `not allowed: ${found(issue.input)}`;
  }
}

/** How far a form of a union got, and, of those that got equally far, which has less wrong with it. */
function nearness(branch: readonly z.core.$ZodIssue[]): { depth: number; problems: number } {
  const depths = branch.map(({ path, code }) => path.length + (code === 'unrecognized_keys' ? 1 : 0));
  const problems = branch.map((issue) => (issue.code === 'unrecognized_keys' ? issue.keys.length : 1));
  return { depth: Math.max(0, ...depths), problems: problems.reduce((sum, each) => sum + each, 0) };
}

/**
 * Every problem in a list of issues: one per unknown key, and for a union those of the form that got furthest, with the fewest
 * problems.
 */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  base: readonly (string | number)[] = [],
): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, i) => ({
        path: [...path, key],
        at: 'key',
        message: messages[i] ?? issue.message,
      }));
    }
    if (issue.code === 'invalid_union') {
      const [best] = issue.errors
        .map((branch) => ({ branch, ...nearness(branch) }))
        .filter(({ depth }) => depth > 0)
        .sort((a, b) => b.depth - a.depth || a.problems - b.problems);
      if (best) return problemsOf(best.branch, path);
    }
    const either = issue.code === 'custom' ? (issue.params?.either as string[] | undefined) : undefined;
    return [{ path, at: 'value', message: issue.message, ...(either && { either }) }];
  });
}
