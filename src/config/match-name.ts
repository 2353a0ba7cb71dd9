/**
 * The glob of a rule's `match`.
 * @module
 */

/**
 * Whether `name` matches `pattern` as a whole. `*` stands for any run of characters (dots too), everything else for
 * itself. Takes the pieces between stars from left to right, each at its first place, so the time is at most
 * pattern × name and never exponential.
 */
export function matchesName(pattern: string, name: string): boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  if (pieces.length === 1) return name === first;
  const last = pieces.at(-1) ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last))
    return false;
  const end = name.length - last.length;
  let from = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const at = name.indexOf(piece, from);
    if (at < 0 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
