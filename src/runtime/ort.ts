/** The only import of ONNX Runtime: onnxruntime-node in Node, onnxruntime-web in a browser (package.json, `#ort`). */
export { InferenceSession, Tensor as OrtTensor, env } from '#ort';
