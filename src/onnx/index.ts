export { encode, encodeProgram, opset } from './encode.ts';
export { decode, decodeProgram } from './decode.ts';
