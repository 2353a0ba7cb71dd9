/**
 * One document of a text file, and how it comes out of a record of fields.
 * @module
 */
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import type { ChatMessage } from './chat-message.js';

/**
 * Longest document, a whole `.txt`, one line of a `.jsonl` or one row of a `.parquet`: tokenising takes some fifty times
 * its bytes of memory.
 */
export const maximumDocumentBytes = 16 * 2 ** 20;

/**
 * Lines or rows one after the other that hold no text, at most: they take next to no bytes where they are compressed, and would
 * be passed over for hours.
 */
const maximumEmptyRows = 100_000;

/** A text, or a conversation. */
export type TextDocument = {
  /** File, and the line or row where there is one, for messages. */
  readonly where: string;
  /** Something the user should know. */
  readonly note?: string;
} & ({ readonly text: string } | { readonly messages: readonly ChatMessage[] });

/** Names of fields or columns that a message lists at most. */
const shownNames = 8;

/**
 * Which of the fields holds the document: `field`, or else `text` or `messages`, whichever is there.
 * @param names of all fields
 * @param kind what messages call them: `field` or `column`
 * @throws RequestError when there is no such field, or both
 */
export function documentField(
  names: readonly string[],
  field: string | undefined,
  kind: string,
  where: string,
): string {
  const list = names.slice(0, shownNames).map(shortened).join(', ') || `no ${kind}s at all`;
  if (field !== undefined) {
    if (names.includes(field)) return field;
    throw new RequestError(`${where}: no ${kind} ${field}; found ${list}`);
  }
  const [hasText, hasMessages] = [names.includes('text'), names.includes('messages')];
  if (hasText && hasMessages) {
    throw new RequestError(
      `${where}: both text and messages; a document is one of them, and field says which`,
    );
  }
  if (hasText) return 'text';
  if (hasMessages) return 'messages';
  throw new RequestError(
    `${where}: neither text nor messages; found ${list}; another ${kind} is named by field`,
  );
}

/**
 * The turns of a conversation.
 * @param value what a file has for it
 * @param field its name
 * @throws RequestError when it is anything but a list of at least one role and content
 */
export function parseMessages(value: unknown, field: string, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RequestError(`${where}: ${field} must be a list of at least one {role, content}`);
  }
  return value.map((message: unknown, index) => {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || typeof content !== 'string') {
      throw new RequestError(`${where}: ${field}[${index}] must have a role and a content, both text`);
    }
    return { role, content };
  });
}

function isEmpty(document: TextDocument | null | undefined): boolean {
  return !document || ('text' in document && document.text === '');
}

/**
 * Leaves out what isn't there, and what is null, which the next document tells, the first time.
 * @param documents null where the field is, undefined where there is nothing
 * @param field that was asked for
 * @param name of the file
 * @throws RequestError where nothing comes for too long
 */
export async function* withoutNulls(
  documents: AsyncIterable<TextDocument | null | undefined>,
  field: string | undefined,
  name: string,
): AsyncGenerator<TextDocument> {
  let nulls = 0;
  let told = false;
  let empty = 0;
  for await (const document of documents) {
    empty = isEmpty(document) ? empty + 1 : 0;
    if (empty > maximumEmptyRows)
      throw new RequestError(
        `${name}: more than ${maximumEmptyRows} lines or rows one after the other hold no text; take them out`,
      );
    if (document === undefined) continue;
    if (document === null) {
      nulls++;
    } else if (nulls > 0 && !told) {
      told = true;
      const note = `${name}: there is no document where ${field ?? 'text or messages'} is null`;
      yield { ...document, note };
    } else {
      yield document;
    }
  }
}
