/**
 * JSON text without one member of its outermost object; everything else stays as it was written.
 * @module
 */

/**
 * @param json the text of an object
 * @param path the key of the member, after those of the objects that it lies in; where there is none, nothing changes
 */
export function withoutMember(json: string, path: readonly string[]): string {
  const [key, ...inner] = path;
  const ends = memberEnds(json);
  const members = ends.slice(1).map((end, index) => json.slice((ends[index] as number) + 1, end));
  const kept =
    inner.length === 0
      ? members.filter((member) => keyOf(member) !== key)
      : members.map((member) => (keyOf(member) === key ? withoutInner(member, inner) : member));
  const [open = 0, close = 0] = [ends[0], ends.at(-1)];
  const last = members.at(-1) ?? '';
  // The space before the closing brace belongs to whichever is last.
  const space = inner.length > 0 || kept.at(-1) === last ? '' : last.slice(last.trimEnd().length);
  return json.slice(0, open + 1) + kept.join(',') + space + json.slice(close);
}

function withoutInner(member: string, path: readonly string[]): string {
  const [, before = '', value = ''] = /^(\s*"(?:[^"\\]|\\.)*"\s*:\s*)(.*)$/s.exec(member) ?? [];
  return value.startsWith('{') ? before + withoutMember(value, path) : member;
}

/** Positions of the outermost braces and of the commas between them. */
function memberEnds(json: string): number[] {
  const ends: number[] = [];
  let depth = 0;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/g)) {
    if (token === '{' || token === '[') depth++;
    if (depth === 1 && (token === ',' || token === '}' || (token === '{' && ends.length === 0)))
      ends.push(index);
    if (token === '}' || token === ']') depth--;
  }
  return ends;
}

function keyOf(member: string): unknown {
  const [key] = /"(?:[^"\\]|\\.)*"/.exec(member) ?? [];
  return key === undefined ? undefined : JSON.parse(key);
}
