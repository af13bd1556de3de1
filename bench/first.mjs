/** What a user of an exported model does: opens it, runs one image, says so. `node first.mjs FILE` */
import { InferenceSession, Tensor } from 'onnxruntime-node';

const session = await InferenceSession.create(process.argv[2]);
const image = new Tensor('float32', new Float32Array(784).fill(0.5), [1, 1, 28, 28]);
const { perturbation } = await session.run({ image });
console.log(perturbation.data.reduce((sum, value) => sum + value, 0));
