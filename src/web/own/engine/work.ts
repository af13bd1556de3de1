import { attack } from '../../../api/attack.ts';
import { openOn, type OpenClassifier } from '../../../api/classifier.ts';
import { web } from '../../../api/web.ts';
import { describeModel } from '../../../onnx/index.ts';
import { balls, type Images } from '../../../runtime/attacks/index.ts';
import { InputError } from '../../../runtime/errors.ts';
import type { Send } from '../../engine/late.ts';
import { newestOnly } from '../../engine/newest.ts';
import { lineOf } from '../../engine/prepare.ts';
import type { StartRequest } from '../../engine/protocol.ts';
import { smallestEps } from '../../smallest.ts';
import { softmax } from '../../softmax.ts';
import { highest } from '../../verdict.ts';
import { ownOptions } from '../methods.ts';
import type { OpenRequest, OwnAttack, OwnOutcome, OwnReply, OwnRequest, Understood } from './protocol.ts';

/** Opens models and attacks pictures, one request at a time; a newer one ends an older one. */
export function ownWork(
  send: Send<OwnReply>,
  { backend, threads }: StartRequest,
): (request: OwnRequest) => void {
  let opened: OpenClassifier | null = null;

  const open = async ({ model, beside, options }: OpenRequest): Promise<void> => {
    await opened?.close();
    opened = null;
    try {
      const bytes = await bytesOf(model);
      opened = await openOn(web, bytes, {
        ...options,
        external: await externalOf(bytes, beside),
        device: backend === 'webgpu' ? 'webgpu' : 'cpu',
        threads,
        batchSize: 1,
      });
      send({ kind: 'opened', understood: understoodOf(opened) });
    } catch (error) {
      send({ kind: 'refused', message: lineOf(error).replace(/^(?:the model|decode): /, '') });
    }
  };

  const work = async (own: OwnAttack, isSearch: boolean, signal: AbortSignal): Promise<void> => {
    const { job } = own;
    try {
      const classifier = opened!;
      const { before, label } = await answered(classifier, own);
      send({ kind: 'answered', job, before, label });
      const run = (eps: number): Promise<OwnOutcome> =>
        attacked(classifier, { ...own, eps, label }, signal, (step) => send({ kind: 'step', job, step }));
      let smallest: number | null = null;
      if (isSearch) {
        const fools = async (eps: number): Promise<boolean> => {
          const outcome = await run(eps);
          // what is shown is the last that fooled
          if (outcome.success || eps === own.eps) send({ kind: 'attacked', job, outcome });
          return outcome.success;
        };
        const search = smallestEps(fools, own.eps);
        let next = await search.next();
        for (; !next.done; next = await search.next()) send({ kind: 'tried', job, ...next.value });
        smallest = next.value;
      } else {
        send({ kind: 'attacked', job, outcome: await run(own.eps) });
      }
      send({ kind: 'done', job, smallest });
    } catch (error) {
      if (signal.aborted) send({ kind: 'stopped', job });
      else send({ kind: 'broken', job, message: lineOf(error) });
    }
  };

  return newestOnly(async (request, signal) => {
    if (request.kind === 'open') await open(request);
    else if (opened && request.kind !== 'stop') await work(request, request.kind === 'smallest', signal);
  });
}

const bytesOf = async (file: Blob): Promise<Uint8Array> => new Uint8Array(await file.arrayBuffer());

/** The files that the weights lie in, by the names that the model gives them: folders in those do not matter. */
async function externalOf(
  model: Uint8Array,
  beside: readonly File[],
): Promise<Readonly<Record<string, Uint8Array>>> {
  const wanted = describeModel(model).external;
  const lastOf = (path: string): string => path.split(/[/\\]/).at(-1)!;
  const missing = wanted.filter((path) => !beside.some(({ name }) => name === lastOf(path)));
  if (missing.length > 0) {
    throw new InputError(`its weights lie in ${missing.join(', ')}; drop that file here too`);
  }
  const found = wanted.map(async (path) => {
    return [path, await bytesOf(beside.find(({ name }) => name === lastOf(path))!)] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

function understoodOf({ origin, ...classifier }: OpenClassifier): Understood {
  const { image, classes, labels, noGradient, gradientEnds, selfCheck } = classifier;
  const { producer, opsets, parameters, external } = origin.file;
  return {
    image,
    classes,
    labels,
    noGradient,
    gradientEnds,
    selfCheck,
    facts: origin.facts,
    notes: origin.notes,
    producer,
    opset: opsets['ai.onnx'] ?? null,
    parameters,
    external,
  };
}

const imagesOf = (data: Float32Array, { image }: OpenClassifier): Images => ({
  data,
  shape: [1, image.channels, image.height, image.width],
});

/** What the model says of the picture, and the class that counts as the right one. */
async function answered(classifier: OpenClassifier, { image, label }: OwnAttack) {
  const before = softmax((await classifier.logits(imagesOf(image, classifier))).data);
  if (before.every((p) => p === 0)) throw new Error('the model gives no numbers for this picture');
  return { before, label: label ?? highest(before) };
}

async function attacked(
  classifier: OpenClassifier,
  { image, target, method, eps, seed, label }: OwnAttack & { readonly label: number },
  signal: AbortSignal,
  onStep: (step: number) => void,
): Promise<OwnOutcome> {
  const original = imagesOf(image, classifier);
  const started = performance.now();
  const { images, success } = await attack(
    classifier,
    { images: original, labels: [label], ...(target !== null && { targets: [target] }) },
    {
      ...ownOptions(method),
      eps,
      seed,
      batchSize: 1,
      signal,
      onProgress: ({ step }) => onStep(step),
    },
  );
  const milliseconds = performance.now() - started;
  return {
    method,
    eps,
    attacked: images.data,
    after: softmax((await classifier.logits(images)).data),
    success: success[0]!,
    linf: balls.linf.distance(images, original)[0]!,
    l2: balls.l2.distance(images, original)[0]!,
    milliseconds,
  };
}
