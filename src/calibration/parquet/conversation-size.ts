/**
 * How large a conversation may be in a Parquet file, where one stored text may stand for any number of its messages.
 * @module
 */
import { RequestError } from '../../errors.js';
import { maximumDocumentBytes } from '../text-document.js';

/** Messages of a conversation at most; those of one that goes on over many pages are looked at anew with each page. */
const maximumMessages = 10_000;

/**
 * @param columns the lists of a conversation's roles and contents, or one of them: lists within lists, as levels have them
 * @param where the row is, for messages
 * @throws RequestError when a list has too many values, or all of them too many bytes
 */
export function requireConversationSize(columns: readonly unknown[], where: string): void {
  let bytes = 0;
  for (const column of columns) {
    let values = 0;
    const count = (value: unknown): void => {
      // A list with nothing in it stands for a null.
      if (!Array.isArray(value) || value.length === 0) values++;
      else for (const each of value) count(each);
      if (value instanceof Uint8Array) bytes += value.length;
      if (values > maximumMessages) throw new RequestError(`${where}: more than ${maximumMessages} messages`);
      if (bytes > maximumDocumentBytes)
        throw new RequestError(`${where}: longer than ${maximumDocumentBytes} bytes; give shorter documents`);
    };
    count(column);
  }
}
