/**
 * Reads graphs from ONNX files and writes them.
 *
 * @module sparring/onnx
 */

export { encode, encodeProgram, opset } from './encode.ts';
export {
  decode,
  decodeInterface,
  decodeProgram,
  type DecodedModel,
  type DecodeOptions,
  type Interface,
} from './decode.ts';
export { UnsupportedModelError, type Missing } from './problems.ts';
export type { External } from './tensor.ts';
export { intermediates, withOutputs, type Intermediate } from './intermediate.ts';
export { describeModel, type FileOutput, type FilePort, type ModelDescription } from './describe.ts';
export { fileWeights, withWeights, type Changes, type FileWeight, type ModelFiles } from './weights.ts';
