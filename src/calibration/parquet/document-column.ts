/**
 * Which column of a Parquet file holds its documents, and how.
 * @module
 */
import type { SchemaTree } from 'hyparquet';
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import { documentField } from '../text-document.js';

/** A column of values, as the file stores it. */
export interface LeafColumn {
  /** Names from the top. */
  readonly path: readonly string[];
  /** From the root to the column itself. */
  readonly nodes: SchemaTree[];
}

/** A column of texts, or of conversations, whose roles and contents are stored apart. */
export type DocumentColumn =
  | { readonly field: string; readonly text: LeafColumn }
  | {
      readonly field: string;
      readonly roles: LeafColumn;
      readonly contents: LeafColumn;
      /** Whether a list, and a message of it, may be null. */
      readonly optional: { readonly list: boolean; readonly message: boolean };
    };

function isText({ element, children }: SchemaTree): boolean {
  const { type, repetition_type: repetition, converted_type: annotation } = element;
  return (
    children.length === 0 &&
    type === 'BYTE_ARRAY' &&
    repetition !== 'REPEATED' &&
    (annotation === undefined || annotation === 'UTF8')
  );
}

function describe({ element, children }: SchemaTree): string {
  const annotation = element.converted_type ?? element.logical_type?.type;
  const kind = children.length > 0 ? 'a group' : (element.type ?? 'of no type');
  return `${element.repetition_type === 'REPEATED' ? 'repeated ' : ''}${kind}${annotation ? ` (${annotation})` : ''}`;
}

/** `list<struct<role, content>>` in the three levels of the format's rules for lists. */
function conversation(root: SchemaTree, column: SchemaTree): DocumentColumn | undefined {
  const { element } = column;
  const [list, ...others] = column.children;
  const [message, ...more] = list?.children ?? [];
  const isList = element.converted_type === 'LIST' || element.logical_type?.type === 'LIST';
  if (!isList || !list || !message || others.length > 0 || more.length > 0) return undefined;
  if (element.repetition_type === 'REPEATED' || message.element.repetition_type === 'REPEATED')
    return undefined;
  if (list.element.repetition_type !== 'REPEATED') return undefined;
  const leaf = (name: string): LeafColumn | undefined => {
    const node = message.children.find((child) => child.element.name === name);
    return node && isText(node) ? { path: node.path, nodes: [root, column, list, message, node] } : undefined;
  };
  const [roles, contents] = [leaf('role'), leaf('content')];
  if (!roles || !contents) return undefined;
  const optional = {
    list: element.repetition_type !== 'REQUIRED',
    message: message.element.repetition_type !== 'REQUIRED',
  };
  return { field: element.name, roles, contents, optional };
}

/**
 * @param root of the schema
 * @param field as of `documentField`
 * @param name of the file, for messages
 * @throws RequestError when there is no such column, or it holds neither texts nor conversations
 */
export function documentColumn(root: SchemaTree, field: string | undefined, name: string): DocumentColumn {
  const names = root.children.map(({ element }) => element.name);
  const chosen = documentField(names, field, 'column', name);
  const column = root.children[names.indexOf(chosen)] as SchemaTree;
  if (isText(column)) return { field: chosen, text: { path: column.path, nodes: [root, column] } };
  const messages = conversation(root, column);
  if (messages) return messages;
  throw new RequestError(
    `${name}: the column ${shortened(chosen)} is ${describe(column)}; expected text, or a list of {role, content}`,
  );
}
