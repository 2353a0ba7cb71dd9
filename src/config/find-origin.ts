/**
 * Whether a value of a run is the run file's own or one of `--set`.
 * @module
 */
import type { AppliedOverride } from './overrides.js';
import type { Position, YamlSource } from './yaml-source.js';

type Path = readonly (string | number)[];

/** Where a value, or the lack of one, comes from. */
export type Origin = {
  /** What the value was called there: entries of a list move up when `--set` takes one out before them. */
  readonly path: Path;
} & (
  | {
      /** The last `--set` that wrote the value, or else one that made the map in which something is missing or unknown. */
      readonly override: AppliedOverride;
      readonly position?: undefined;
    }
  | {
      readonly override?: undefined;
      /** Of the value, or of what is nearest around it, in the run file. */
      readonly position: Position;
    }
);

/**
 * @param path of a value in what became of the run file
 * @param overrides all that were applied to it, in order
 */
export function findOrigin(
  path: Path,
  at: 'key' | 'value',
  source: YamlSource,
  overrides: readonly AppliedOverride[],
): Origin {
  /** The overrides after the one that wrote the value, the last one first, and what it was called when they came. */
  const later: { readonly override: AppliedOverride; readonly path: Path }[] = [];
  let called = path;
  let writer: AppliedOverride | undefined;
  for (const override of overrides.toReversed()) {
    if (override.tookEntry) called = beforeTaking(override.path, called);
    else if (startsWith(called, override.path)) {
      writer = override;
      break;
    }
    later.push({ override, path: called });
  }
  if (writer !== undefined && writer.value !== null) return { override: writer, path: called };

  const position = source.locate(called, at);
  const depth = writer === undefined ? position.depth : writer.path.length - 1;
  const maker = later.find(
    ({ override, path }) =>
      override.value !== null && depth < path.length && startsWith(override.path, path.slice(0, depth + 1)),
  );
  if (maker !== undefined) return maker;
  return writer === undefined ? { position, path: called } : { override: writer, path: called };
}

function startsWith(path: Path, prefix: Path): boolean {
  return prefix.length <= path.length && prefix.every((part, i) => String(part) === String(path[i]));
}

/** What `path` was called before the entry at `taken` was taken out of its list. */
function beforeTaking(taken: Path, path: Path): Path {
  const depth = taken.length - 1;
  const index = Number(path[depth]);
  const moved = startsWith(path, taken.slice(0, depth)) && index >= Number(taken[depth]);
  return moved ? path.with(depth, index + 1) : path;
}
