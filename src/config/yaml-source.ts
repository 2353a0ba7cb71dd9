/**
 * A YAML text, parsed with care, that can say where each of its values stands.
 * @module
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { RequestError } from '../errors.js';

/** Most times that aliases of a run file may be expanded, nested ones multiplied: guards against alias bombs. */
export const maximumAliases = 100;

/** A position in a text, both counted from 1, columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Syntax errors that one message lists. */
const maximumSyntaxErrors = 10;

/** The YAML options of everything that is read: YAML 1.2 core, so that `2:4` and `yes` are text. */
const parseOptions = { version: '1.2', schema: 'core', prettyErrors: false, uniqueKeys: true } as const;

/** Characters of a source line that an excerpt shows at most. */
const excerptWidth = 100;

/** A source line with a caret under the position, indented by two. */
export function excerpt(text: string, { line, column }: Position): string {
  const source = (text.split('\n')[line - 1] ?? '').replace(/\r$/, '');
  const start = column > excerptWidth * 0.8 ? column - Math.floor(excerptWidth / 2) : 0;
  const shown = `${start > 0 ? '…' : ''}${source.slice(start, start + excerptWidth)}`;
  const before = shown.slice(0, column - 1 - start + (start > 0 ? 1 : 0));
  const label = `  ${line} | `;
  return `${label}${shown}\n${' '.repeat(label.length - 2)}| ${before.replace(/[^\t]/g, ' ')}^`;
}

/** What is wrong in the syntax, in the words of this project where the parser's are for its own programmers. */
function syntaxMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key was given before in the same map';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here; a run file is one document';
  if (code === 'TAG_RESOLVE_FAILED') return `${message}; run files use plain values only`;
  if (message.includes('call stack')) return 'nested too deeply to read';
  return message.split('\n')[0] ?? message;
}

/** A parsed YAML text. */
export class YamlSource {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  /**
   * @param name how messages call the text: a file name, or the `--set` argument
   * @throws RequestError listing every syntax error with its position, or when the text holds no value
   */
  constructor(
    readonly name: string,
    readonly text: string,
  ) {
    this.#lines = new LineCounter();
    try {
      this.#document = parseDocument(text, { ...parseOptions, lineCounter: this.#lines });
    } catch (cause) {
      if (cause instanceof RangeError) throw new RequestError(`${name}: nested too deeply to read`);
      throw cause;
    }
    // Errors after the first at a place are its consequences.
    const byOffset = new Map(
      [...this.#document.errors, ...this.#document.warnings].reverse().map((error) => [error.pos[0], error]),
    );
    const problems = [...byOffset.values()]
      .sort((a, b) => a.pos[0] - b.pos[0])
      .slice(0, maximumSyntaxErrors)
      .map((error) =>
        this.describe(
          this.position(error.pos[0]),
          `not valid YAML: ${syntaxMessage(error.code, error.message)}`,
        ),
      );
    if (problems.length === 0) this.#refuseOddNodes(problems);
    if (problems.length > 0) throw new RequestError(problems.join('\n'));
  }

  #refuseOddNodes(problems: string[]): void {
    try {
      visit(this.#document, {
        Alias: (_, alias) => {
          if (alias.resolve(this.#document) !== undefined) return;
          const at = this.position(alias.range?.[0] ?? 0);
          problems.push(this.describe(at, `not valid YAML: no anchor &${alias.source} comes before this`));
        },
        Pair: (_, pair) => {
          const key = pair.key as Node | null;
          if (isScalar(key) && key.value !== null) return;
          const at = this.position(key?.range?.[0] ?? 0);
          problems.push(this.describe(at, 'not valid here: a key must be a plain word'));
        },
      });
    } catch (cause) {
      if (cause instanceof RangeError) throw new RequestError(`${this.name}: nested too deeply to read`);
      throw cause;
    }
  }

  /**
   * The text as plain JavaScript values, null for an empty one.
   * @throws RequestError when aliases multiply beyond {@link maximumAliases}
   */
  value(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: maximumAliases });
    } catch (cause) {
      if (cause instanceof ReferenceError || cause instanceof RangeError) {
        throw new RequestError(
          `${this.name}: not valid YAML: aliases may be expanded ${maximumAliases} times at most`,
        );
      }
      throw cause;
    }
  }

  /** Line and column of an offset. */
  position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /**
   * Where the value (or the key) at `path` stands; for a path that isn't in the text, the key of its nearest ancestor.
   * `depth` is how many parts of the path the text has.
   */
  locate(path: readonly (string | number)[], at: 'key' | 'value'): Position & { readonly depth: number } {
    let node: Node | null = this.#document.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const [depth, part] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document) ?? null;
      if (isMap(node)) {
        const pair: { key: unknown; value: unknown } | undefined = node.items.find(
          (item) => isScalar(item.key) && String(item.key.value) === String(part),
        );
        if (pair === undefined) return { ...this.position(offset), depth };
        const key = pair.key as Node;
        const value = pair.value as Node | null;
        // A block collection has no mark of its own that a caret could point at.
        const isBlock = isCollection(value) && value.flow !== true;
        const useKey = at === 'key' || depth < path.length - 1 || value === null || isBlock;
        offset = (useKey ? key : value)?.range?.[0] ?? offset;
        node = value;
      } else if (isSeq(node)) {
        const item = node.items[Number(part)] as Node | undefined;
        if (item === undefined) return { ...this.position(offset), depth };
        offset = item.range?.[0] ?? offset;
        node = item;
      } else {
        return { ...this.position(offset), depth };
      }
    }
    return { ...this.position(offset), depth: path.length };
  }

  /** `name:line:column: message`, and the line with a caret. */
  describe(position: Position, message: string): string {
    return `${this.name}:${position.line}:${position.column}: ${message}\n${excerpt(this.text, position)}`;
  }
}
