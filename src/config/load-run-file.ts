/**
 * Reading a run file.
 * @module
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { RequestError } from '../errors.js';
import { describeIssue, found, type Problem, problemsOf } from './describe-issue.js';
import { findOrigin } from './find-origin.js';
import { type AppliedOverride, applyOverride, parseOverride } from './overrides.js';
import { resolveModel } from './resolve-model.js';
import type { RunConfig } from './run-schema.js';
import type { TextSource } from './text-source.js';
import { YamlSource } from './yaml-source.js';

/** Largest run file that is read; a long one has a few kilobytes. */
export const maximumRunFileBytes = 100_000;

/** Problems that one error lists; a file with more has one cause behind most of them. */
const maximumProblems = 50;

function readRunFile(path: string): string {
  let bytes: Buffer;
  try {
    const status = statSync(path);
    if (!status.isFile() && !status.isDirectory()) {
      throw new RequestError(`${path}: not a regular file, so not a run file`);
    }
    const { size } = status;
    if (size > maximumRunFileBytes) {
      throw new RequestError(`${path}: ${size} bytes; a run file has ${maximumRunFileBytes} at most`);
    }
    bytes = readFileSync(path);
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT'
        ? 'no such file'
        : code === 'EISDIR'
          ? 'a folder, not a run file'
          : `cannot be read (${message})`;
    throw new RequestError(`${path}: ${reason}`, { cause });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RequestError(`${path}: not UTF-8 text`);
  }
}

/** The problem in words, and where it is to be listed: those of `--set` first, then by line and column. */
function describeProblem(problem: Problem, source: YamlSource, overrides: readonly AppliedOverride[]) {
  const { path, at, either = [] } = problem;
  const parent = path.slice(0, -1);
  const originOf = (key: string) => findOrigin([...parent, ...key.split('.')], 'value', source, overrides);
  const chosen = either.find((key) => originOf(key).override !== undefined);
  const origin = chosen === undefined ? findOrigin(path, at, source, overrides) : originOf(chosen);
  const called =
    chosen === undefined ? origin.path : [...origin.path.slice(0, parent.length), ...path.slice(-1)];
  const where = (at === 'key' ? called.slice(0, -1) : called).join('.');
  const text = where === '' ? problem.message : `${where}: ${problem.message}`;
  const { override, position } = origin;
  if (override === undefined) return { text: source.describe(position, text), ...position };
  const others = either.filter((key) => key !== chosen).map((key) => `--set ${[...parent, key].join('.')}=`);
  const remedy = chosen === undefined ? '' : `; ${others.join(' ')} takes the other out`;
  return { text: `${override.text}: ${text}${remedy}`, line: 0, column: overrides.indexOf(override) };
}

/** What {@link loadRunFile} gives. */
export interface LoadedRunFile {
  /** Every default written out; paths absolute, relative ones taken from the run file's folder. */
  readonly config: RunConfig;
  /** The run file's own absolute path. */
  readonly path: string;
}

/**
 * Reads and checks a run file.
 * @param path of the YAML file
 * @param schema made by `createRunSchema`
 * @param options `set`: `key.path=value` arguments, applied in order before anything is checked
 * @throws RequestError that lists every problem with file, line, column, what was found and what is allowed
 */
export function loadRunFile(
  path: string,
  schema: z.ZodType<RunConfig>,
  options: { readonly set?: readonly string[] } = {},
): LoadedRunFile {
  const set = (options.set ?? []).map((text) => parseOverride(text));
  const source = new YamlSource(path, readRunFile(path));
  const root = source.value();
  if (root === null || root === undefined) throw new RequestError(`${path}: the file is empty`);
  if (typeof root !== 'object' || Array.isArray(root)) {
    throw new RequestError(
      source.describe(source.locate([], 'value'), `expected a map, found ${found(root)}`),
    );
  }
  const overrides = set.map((override) => applyOverride(root as Record<string, unknown>, override));

  const result = schema.safeParse(root, { error: describeIssue });
  if (!result.success) {
    const lines = problemsOf(result.error.issues)
      .map((problem) => describeProblem(problem, source, overrides))
      .sort((a, b) => a.line - b.line || a.column - b.column)
      .map(({ text }) => text);
    const head = lines.length > 1 ? [`${path}: ${lines.length} problems`] : [];
    const more = lines.length > maximumProblems ? [`… and ${lines.length - maximumProblems} more`] : [];
    throw new RequestError([...head, ...lines.slice(0, maximumProblems), ...more].join('\n'));
  }
  const absolute = resolve(path);
  return { config: resolvePaths(result.data, dirname(absolute)), path: absolute };
}

/** The same with absolute paths: relative ones are taken from `folder`. */
export function resolvePaths(config: RunConfig, folder: string): RunConfig {
  const { calibration, evaluation } = config;
  return {
    ...config,
    model: resolveModel(config.model, folder),
    output: resolve(folder, config.output),
    ...(calibration && {
      calibration: {
        ...calibration,
        data: calibration.data.map((source) => withAbsolutePath(source, folder)),
      },
    }),
    ...(evaluation && { evaluation: { ...evaluation, data: withAbsolutePath(evaluation.data, folder) } }),
  };
}

function withAbsolutePath<Source extends TextSource>(source: Source, folder: string): Source {
  return 'path' in source ? { ...source, path: resolve(folder, source.path) } : source;
}
