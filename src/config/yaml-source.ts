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
  Lexer,
  LineCounter,
  type Node,
  Parser,
  parseDocument,
  visit,
} from 'yaml';
import { RequestError } from '../errors.js';

/** Most times that aliases of a run file may be expanded, nested ones multiplied: guards against alias bombs. */
export const maximumAliases = 100;

/**
 * Maps and lists of a run file that may lie within each other; the schema knows five. The parser recurses through them,
 * and a stack that is almost used up can end the whole process where a regular expression is compiled on it.
 */
export const maximumDepth = 64;

/** Longest text that is parsed; a long run file has a few kilobytes. */
export const maximumYamlCharacters = 100_000;

/** Words, marks, spaces and line ends of a run file; a rule has some twenty. */
export const maximumLexemes = 20_000;

/** A position in a text, both counted from 1, columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Syntax errors that one message lists. */
const maximumSyntaxErrors = 10;

/** The YAML options of everything that is read: YAML 1.2 core, so that `2:4` and `yes` are text. */
const parseOptions = { version: '1.2', schema: 'core', prettyErrors: false, uniqueKeys: false } as const;

/** Characters of a source line that an excerpt shows at most. */
const excerptWidth = 100;

/** Control characters except tabs and line ends: no YAML text holds them unescaped. */
const CONTROL = /[^\P{Control}\t\n\r]/u;

/** A source line with a caret under the position, indented by two. */
export function excerpt(text: string, { line, column }: Position): string {
  const source = (text.split('\n')[line - 1] ?? '')
    .replace(/\r$/, '')
    .replaceAll(/[^\P{Control}\t]/gu, '\ufffd');
  const start = column > excerptWidth * 0.8 ? column - Math.floor(excerptWidth / 2) : 0;
  const shown = `${start > 0 ? '…' : ''}${source.slice(start, start + excerptWidth)}`;
  const before = shown.slice(0, column - 1 - start + (start > 0 ? 1 : 0));
  const label = `  ${line} | `;
  return `${label}${shown}\n${' '.repeat(label.length - 2)}| ${before.replace(/[^\t]/g, ' ')}^`;
}

/** What is wrong in the syntax, in the words of this project where the parser's are for its own programmers. */
function syntaxMessage(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here; a run file is one document';
  if (code === 'TAG_RESOLVE_FAILED') return `${message}; run files use plain values only`;
  return message.split('\n')[0] ?? message;
}

/** Why a text is not even parsed: it is too long, too deep or has too many parts. */
function tooMuch(text: string): string | undefined {
  if (text.length > maximumYamlCharacters)
    return `${text.length} characters; ${maximumYamlCharacters} at most are read`;
  const parser = new Parser();
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++lexemes > maximumLexemes) return `more than ${maximumLexemes} words and marks`;
    for (const _ of parser.next(lexeme)) {
      // Only the parser's stack is of interest.
    }
    // The document itself is the first on the stack, and a map in a list takes two places.
    if (parser.stack.length > maximumDepth) return 'nested too deeply to read';
  }
  return undefined;
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
    const excess = tooMuch(text);
    if (excess !== undefined) throw new RequestError(`${name}: ${excess}`);
    this.#document = parseDocument(text, { ...parseOptions, lineCounter: this.#lines });
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
    const control = this.text.search(CONTROL);
    if (control >= 0) {
      const code = this.text.charCodeAt(control).toString(16).toUpperCase().padStart(4, '0');
      problems.push(this.describe(this.position(control), `not valid YAML: the control character U+${code}`));
      return;
    }
    const report = (node: Node | null, message: string) => {
      if (problems.length >= maximumSyntaxErrors) return visit.BREAK;
      problems.push(this.describe(this.position(node?.range?.[0] ?? 0), message));
      return undefined;
    };
    // Which anchors have come so far; looking each of them up in the document would take aliases × document.
    const anchors = new Set<string>();
    visit(this.#document, {
      Node: (_, node) => {
        if (!isAlias(node) && node.anchor !== undefined) anchors.add(node.anchor);
      },
      Alias: (_, alias, ancestors) => {
        if (!anchors.has(alias.source))
          return report(alias, `not valid YAML: no anchor &${alias.source} comes before this`);
        const isWithin = ancestors.some((node) => isCollection(node) && node.anchor === alias.source);
        return isWithin ? report(alias, 'not valid here: this stands for what it lies in') : undefined;
      },
      Map: (_, map) => {
        if (map.anchor !== undefined) anchors.add(map.anchor);
        const keys = new Set<string>();
        for (const { key } of map.items) {
          if (!isScalar(key) || key.value === null) continue;
          if (keys.has(String(key.value)))
            return report(key, 'not valid YAML: this key was given before in the same map');
          keys.add(String(key.value));
        }
        return undefined;
      },
      Pair: (_, pair) => {
        const key = pair.key as Node | null;
        if (isScalar(key) && key.value !== null) return undefined;
        return report(key, 'not valid here: a key must be a plain word');
      },
    });
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
