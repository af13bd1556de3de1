import { attack, type AttackOptions } from '../../../api/attack.ts';
import { openOn, type OpenClassifier } from '../../../api/classifier.ts';
import { web } from '../../../api/web.ts';
import { scoresOf, type Images } from '../../../runtime/attacks/index.ts';
import { needsGradients } from '../../attacks.ts';
import type { Send } from '../../engine/late.ts';
import { newestOnly } from '../../engine/newest.ts';
import { lineOf } from '../../engine/prepare.ts';
import type { ModelRef, StartRequest } from '../../engine/protocol.ts';
import { download } from '../../engine/store.ts';
import { ownOptions } from '../../own/methods.ts';
import type { MadeOn, TransferReply, TransferRequest } from './protocol.ts';

/** Images at a time. */
const batchSize = 50;

/** Attacks images on one classifier after another, and has all of them judge the result. */
export function transferWork(
  send: Send<TransferReply>,
  { backend, threads, base }: StartRequest,
): (request: TransferRequest) => void {
  const opened = new Map<string, OpenClassifier>();

  const open = async (model: ModelRef): Promise<OpenClassifier> => {
    const known = opened.get(model.url);
    if (known) return known;
    const bytes = await download(model, { base, onProgress: () => {} });
    const device = backend === 'webgpu' ? 'webgpu' : 'cpu';
    const classifier = await openOn(web, bytes, { device, threads, batchSize });
    opened.set(model.url, classifier);
    return classifier;
  };

  const measure = async (request: TransferRequest, signal: AbortSignal): Promise<void> => {
    const { job, images, labels, method, eps, clip, seed } = request;
    const classifiers: OpenClassifier[] = [];
    for (const model of request.classifiers) classifiers.push(await open(model));
    const judged = async (on: MadeOn, seen: Images): Promise<void> => {
      const accuracies: number[] = [];
      for (const classifier of classifiers) accuracies.push(await accuracyOf(classifier, seen, labels));
      send({ kind: 'row', job, on, accuracies });
    };
    const attacked = async (
      on: MadeOn,
      classifier: OpenClassifier,
      options: Pick<AttackOptions, 'method'>,
    ): Promise<void> => {
      const made = await attack(classifier, { images, labels }, {
        ...options,
        eps,
        range: clip ? [0, 1] : null,
        seed,
        batchSize,
        signal,
        onProgress: ({ step }) => send({ kind: 'step', job, on, step }),
      } as AttackOptions);
      await judged(on, made.images);
    };
    const [first] = classifiers;
    const { image } = first!;
    await judged('clean', {
      data: images,
      shape: [labels.length, image.channels, image.height, image.width],
    });
    await attacked('noise', first!, ownOptions('noise'));
    for (const [on, classifier] of classifiers.entries()) {
      const { noGradient } = classifier;
      if (noGradient !== null && needsGradients(method)) {
        send({ kind: 'none', job, on, why: noGradient });
      } else await attacked(on, classifier, ownOptions(method));
    }
    send({ kind: 'done', job });
  };

  return newestOnly((request, signal) =>
    measure(request, signal).catch((error: unknown) => {
      if (!signal.aborted) send({ kind: 'broken', job: request.job, message: lineOf(error) });
    }),
  );
}

/** The part of images that a classifier reads right. */
async function accuracyOf(classifier: OpenClassifier, images: Images, labels: Int32Array): Promise<number> {
  const scores = [...scoresOf(await classifier.logits(images), labels)];
  return scores.filter(({ right }) => right).length / labels.length;
}
