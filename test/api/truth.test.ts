import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openClassifier } from '../../src/index.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import { stream } from '../../src/runtime/random.ts';
import '../support/run.ts';

const truth = fileURLToPath(new URL('../../../shared/truth/', import.meta.url));
const isThere = existsSync(truth);
const reason = isThere ? '' : " (skipped: other people's classifiers, in ../shared/truth, are not here)";
const files = isThere
  ? readdirSync(truth, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.onnx'))
  : [];

describe.skipIf(!isThere)(`other people's classifiers${reason}`, () => {
  it.each(files)('%s opens, and gives the logits of its file', async (name) => {
    const path = join(truth, name);
    const opened = await openClassifier(path, { threads: 1 });
    const { channels, height, width } = opened.image;
    const random = stream(1, name);
    const size = channels * height * width;
    const data = Float32Array.from({ length: 2 * size }, () => random.uniform());
    const { data: logits } = await opened.logits({ data, shape: [2, channels, height, width] });

    // the same images by hand, one at a time, as the file's own shape has them
    const session = await InferenceSession.create(path, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    const [port] = session.inputMetadata;
    const shape = (port as { shape: readonly (number | string)[] }).shape.slice(1).map(Number);
    const isLast = shape.length === 3 && shape[2] === 3;
    for (const i of [0, 1]) {
      const image = data.subarray(i * size, (i + 1) * size);
      const own = isLast
        ? Float32Array.from(
            { length: size },
            (_, at) => image[(at % 3) * height * width + Math.floor(at / 3)]!,
          )
        : image;
      const outputs = await session.run({ [port!.name]: new OrtTensor('float32', own, [1, ...shape]) });
      const answer = outputs[session.outputNames[0]!]!.data as Float32Array;
      const isProbable = name.startsWith('traffic_signs');
      const expected = isProbable ? answer.map((p) => Math.max(Math.log(p), -126 * Math.LN2)) : answer;
      const found = logits.subarray(i * answer.length, (i + 1) * answer.length);
      expect(found).toBeAllClose(expected, { atol: 1e-5, rtol: 1e-5 });
    }
    await session.release();
    await opened.close();
    // binarised: nothing to follow
    expect(opened.gradient === undefined).toBe(name.startsWith('traffic_signs'));
  });
});
