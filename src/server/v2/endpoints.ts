import type { Context } from 'hono';
import { demandPlain } from '../body.ts';
import { softmax } from '../model/attack.ts';
import { cut, Problem } from '../problem.ts';
import type { Inferable } from '../served.ts';
import type { Endpoint, ServiceDeps } from '../service.ts';
import type { Batch, LogitsRows } from '../work.ts';
import { blankImage } from '../work.ts';
import { lengthHeader, readInference, writeInference, type OutputTensor } from './message.ts';
import { inferenceRoutes } from './routes.ts';
import { outputNames, type OutputName } from './schemas.ts';

/** A model has one version at a time; its hash is in `GET /models`. */
const version = '1';

/** The endpoints of the Open Inference Protocol, version 2. */
export function inferenceEndpoints(
  models: readonly Inferable[],
  { batcher, limits, access, client, bodyLimits, ready, version: own }: ServiceDeps,
): readonly Endpoint[] {
  const routes = inferenceRoutes(access);
  const find = (c: Context): Inferable => {
    const name = c.req.param('name')!;
    const model = models.find((one) => one.name === name);
    if (model) return model;
    const names = models.map((one) => one.name).slice(0, 8);
    throw new Problem('not-found', `there is no model ${cut(name)}; there are ${names.join(', ')}`);
  };
  const logitsOf = (source: string, batch: Omit<Batch, 'cell' | 'ask'>, c: Context): Promise<LogitsRows> =>
    batcher.attack({ cell: source, ask: { kind: 'logits' }, ...batch }, c.req.raw.signal, client(c));
  return [
    {
      route: routes.server,
      handlers: [(c) => c.json({ name: 'sparring', version: own, extensions: ['binary_tensor_data'] })],
    },
    { route: routes.live, handlers: [(c) => c.json({ live: true })] },
    {
      route: routes.ready,
      handlers: [(c) => (ready() ? c.json({ ready: true }) : c.json({ ready: false }, 503))],
    },
    { route: routes.model, handlers: [(c) => c.json(metadataOf(find(c)))] },
    {
      route: routes.modelReady,
      handlers: [
        async (c) => {
          const { name, card, source } = find(c);
          const works = await logitsOf(source, blankImage(card.image), c).then(
            () => true,
            // a full queue says nothing of the model: the last inference of the workers does
            (error: unknown) => error instanceof Problem && error.kind === 'queue-full' && ready(),
          );
          return c.json({ name, ready: works }, works ? 200 : 503);
        },
      ],
    },
    {
      route: routes.infer,
      handlers: [
        ...bodyLimits,
        async (c) => {
          const { name, card, source } = find(c);
          demandPlain(c);
          batcher.admit(client(c));
          const bytes = new Uint8Array(await c.req.arrayBuffer());
          const { images, count, id, outputs } = readInference(
            bytes,
            c.req.header(lengthHeader),
            card,
            limits,
          );
          const constraints = Array.from({ length: count }, () => ({ clip: false, bits: null }));
          const { logits } = await logitsOf(source, { images, constraints }, c);
          const head = { model_name: name, model_version: version, ...(id !== undefined && { id }) };
          const { body, headers } = writeInference(
            head,
            outputs.map(({ name: output, binary }): OutputTensor => ({
              name: output,
              shape: [count, card.classes],
              data: output === 'logits' ? logits : probabilitiesOf(logits, card.classes),
              binary,
            })),
          );
          return c.body(body, 200, headers);
        },
      ],
      large: true,
    },
  ];
}

function probabilitiesOf(logits: Float32Array, classes: number): Float32Array {
  const all = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) all.set(softmax(logits.subarray(at, at + classes)), at);
  return all;
}

const says: { readonly [N in OutputName]: string } = {
  logits: 'what the classifier answers, before softmax; of probabilities, their logarithms',
  probabilities: 'softmax of the logits',
};

/** What a client must know of a model. Its classes have names in `parameters` where anything names them. */
function metadataOf({ name, card: { image, classes, labels } }: Inferable) {
  return {
    name,
    versions: [version],
    platform: 'onnxruntime_onnx',
    inputs: [
      {
        name: 'image',
        datatype: 'FP32',
        shape: [-1, image.channels, image.height, image.width],
        parameters: {
          content: `${image.channels === 3 ? 'RGB ' : ''}values in 0..1; layout, scale, mean and std of the file are applied by the server`,
        },
      },
    ],
    outputs: outputNames.map((output) => ({
      name: output,
      datatype: 'FP32',
      shape: [-1, classes],
      parameters: { content: says[output], ...(labels && { labels }) },
    })),
  };
}
