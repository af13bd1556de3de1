/** The only import of ONNX Runtime: onnxruntime-node in Node, onnxruntime-web in a browser (package.json, `#ort`). */
import './telemetry.ts';
import { env, InferenceSession, Tensor as OrtTensor } from '#ort';
import type { Device } from './devices/index.ts';

export { env, InferenceSession, OrtTensor };

/** Session options that put a program on a device. */
export const executionProvider = (device: Device): InferenceSession.SessionOptions => ({
  executionProviders: [device],
  logSeverityLevel: 4,
});
