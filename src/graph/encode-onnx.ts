/**
 * Encodes a graph as an ONNX model (opset 23), with a protobuf schema of only the messages used.
 * Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
 * @module
 */
import { createRequire } from 'node:module';
import type protobuf from 'protobufjs/light.js';
import type { Attribute, Graph } from './graph-builder.js';
import { ELEMENT_TYPES, FREE, type Value } from './value.js';

const OPSET = 23;
const IR_VERSION = 11;

const SCHEMA: protobuf.INamespace = {
  nested: {
    ModelProto: {
      fields: {
        ir_version: { type: 'int64', id: 1 },
        producer_name: { type: 'string', id: 2 },
        graph: { type: 'GraphProto', id: 7 },
        opset_import: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 },
      },
    },
    OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    GraphProto: {
      fields: {
        node: { rule: 'repeated', type: 'NodeProto', id: 1 },
        name: { type: 'string', id: 2 },
        initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
        input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 },
      },
    },
    NodeProto: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        op_type: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 },
      },
    },
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        ints: { rule: 'repeated', type: 'int64', id: 8 },
        type: { type: 'int32', id: 20 },
      },
    },
    TensorProto: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1 },
        data_type: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        raw_data: { type: 'bytes', id: 9 },
      },
    },
    ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
    TypeProto: { fields: { tensor_type: { type: 'TypeProtoTensor', id: 1 } } },
    TypeProtoTensor: {
      fields: { elem_type: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } },
    },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'Dimension', id: 1 } } },
    Dimension: { fields: { dim_value: { type: 'int64', id: 1 } } },
  },
};

let loaded: protobuf.Type | undefined;

/** Loaded at first use: a run without graphs starts sooner. */
function modelType(): protobuf.Type {
  if (!loaded) {
    const { Root } = createRequire(import.meta.url)('protobufjs/light.js') as typeof protobuf;
    loaded = Root.fromJSON(SCHEMA).lookupType('ModelProto');
  }
  return loaded;
}

function encodeAttribute(name: string, attribute: Attribute): object {
  switch (attribute.kind) {
    case 'float':
      return { name, f: attribute.value, type: 1 };
    case 'int':
      return { name, i: attribute.value, type: 2 };
    case 'string':
      return { name, s: Buffer.from(attribute.value), type: 3 };
    case 'ints':
      return { name, ints: attribute.value, type: 7 };
  }
}

function encodeValueInfo(value: Value): object {
  const dim = value.shape.map((size) => (size === FREE ? {} : { dim_value: size }));
  return {
    name: value.name,
    type: { tensor_type: { elem_type: ELEMENT_TYPES[value.type].code, shape: { dim } } },
  };
}

/** The bytes of an ONNX model, in shared memory so that every worker reads the same copy. */
export function encodeOnnx(graph: Graph): Uint8Array<SharedArrayBuffer> {
  const model = modelType();
  const message = model.fromObject({
    ir_version: IR_VERSION,
    producer_name: 'secateur',
    opset_import: [{ domain: '', version: OPSET }],
    graph: {
      name: graph.name,
      node: graph.nodes.map((node, index) => ({
        op_type: node.operator,
        name: `${node.operator}_${index}`,
        input: node.inputs.map((value) => value.name),
        output: node.outputs.map((value) => value.name),
        attribute: Object.entries(node.attributes).map(([name, attribute]) =>
          encodeAttribute(name, attribute),
        ),
      })),
      initializer: graph.constants.map(({ value, data }) => ({
        name: value.name,
        dims: value.shape,
        data_type: ELEMENT_TYPES[value.type].code,
        raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })),
      input: graph.inputs.map(encodeValueInfo),
      output: graph.outputs.map(encodeValueInfo),
    },
  });
  const encoded = model.encode(message).finish();
  const bytes = new Uint8Array(new SharedArrayBuffer(encoded.byteLength));
  bytes.set(encoded);
  return bytes;
}
